"""A life of people and groups, by a real SCIM client: scim2-client.

Arguments: the base address and the token. Prints the ids of what there was, as JSON.
"""

import json
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PatchOp, PatchOperation, SearchRequest, UniquenessException

base, token = sys.argv[1:]
http = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60)
client = SyncSCIMClient(http)
client.discover()
User = client.get_resource_model("User")
Group = client.get_resource_model("Group")


def patch(resource, *operations):
    model = type(resource)
    operations = [PatchOperation(op=op, path=path, value=value) for op, path, value in operations]
    client.modify(model, resource.id, PatchOp[model](operations=operations))
    return client.query(model, resource.id)


def find(text):
    return client.query(User, query_parameters=SearchRequest(filter=text)).resources or []


ada = client.create(User(user_name="ada@contoso.example", display_name="Ada Byron", external_id="entra-1"))
bob = client.create(User(user_name="bob@contoso.example", display_name="Bob", external_id="entra-2"))
assert [one.id for one in find('userName eq "ADA@contoso.example"')] == [ada.id]

# Renamed: the same person under another name; the old name is free.
ada = patch(ada, ("replace", "userName", "ada.king@contoso.example"), ("replace", "displayName", "Ada King"))
assert ada.user_name == "ada.king@contoso.example" and ada.meta.created < ada.meta.last_modified
assert find('userName eq "ada@contoso.example"') == []
recycled = client.create(User(user_name="ada@contoso.example", display_name="Ada Smith", external_id="entra-3"))

# A name that is taken, in whatever case.
try:
    client.create(User(user_name="BOB@contoso.example"))
    raise SystemExit("a user name was given twice")
except UniquenessException:
    pass

group = client.create(Group(display_name="Auditors", members=[{"value": ada.id}, {"value": bob.id}]))
assert {member.value for member in group.members} == {ada.id, bob.id}
assert [one.display for one in client.query(User, bob.id).groups] == ["Auditors"]

# Deactivated, and there still.
bob = patch(bob, ("replace", "active", False))
assert bob.active is False and len(find("active eq false")) == 1

# Deleted, and created again: another person under the same name.
client.delete(User, bob.id)
again = client.create(User(user_name="bob@contoso.example", display_name="Bob", external_id="entra-2"))
assert again.id != bob.id
assert [member.value for member in client.query(Group, group.id).members] == [ada.id]

# Replaced as a whole: what is not named is gone.
again.display_name = None
again.nick_name = "bobby"
again = client.replace(again)
assert again.display_name is None and again.nick_name == "bobby"

# A change that somebody else has made in between is not overwritten.
stale = client.query(User, again.id)
patch(again, ("replace", "nickName", "robert"))
response = http.put(
    f"Users/{again.id}",
    json={"schemas": stale.schemas, "userName": "bob@contoso.example"},
    headers={"If-Match": stale.meta.version, "Content-Type": "application/scim+json"},
)
assert response.status_code == 412, response.text

names = [one.user_name for one in client.query(User, query_parameters=SearchRequest(sort_by="userName")).resources]
assert names == sorted(names) and len(names) == 3, names
print(json.dumps({"ada": ada.id, "recycled": recycled.id, "bob": bob.id, "again": again.id, "group": group.id}))
