// Before anything is drawn: the theme that was chosen here, if one was. Without a choice the system's holds.
"use strict";
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
