//! Names of invented people, as they are common where the offices are.

use super::random::Random;

/// Where a name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culture {
    British,
    Polish,
    American,
    Brazilian,
    Indian,
    Japanese,
    Kenyan,
}

/// A name as it is written, and in the letters a login name may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
}

impl Name {
    /// One name of this culture.
    pub(crate) fn random(culture: Culture, random: &mut Random) -> Self {
        let (given, family) = lists(culture);
        let given: Vec<&'static str> = given.split(' ').collect();
        let family: Vec<&'static str> = family.split(' ').collect();
        Self { given: *random.pick(&given), family: *random.pick(&family) }
    }

    /// As written on a name badge.
    pub(crate) fn full(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// `given.family` in ASCII.
    pub(crate) fn login(&self) -> String {
        format!("{}.{}", ascii(self.given), ascii(self.family))
    }

    /// A user id as Finance and Operations has them: at most eight capitals.
    pub(crate) fn user_id(&self) -> String {
        let initial = ascii(self.given).chars().take(1).collect::<String>();
        let letters = ascii(self.family);
        (initial + &letters)
            .chars()
            .filter(char::is_ascii_alphabetic)
            .take(8)
            .collect::<String>()
            .to_uppercase()
    }
}

fn lists(culture: Culture) -> (&'static str, &'static str) {
    match culture {
        Culture::British => (
            "Oliver Amelia George Isla Harry Freya Arthur Poppy Siobhán Callum Niamh Rhys Zoë Gareth Imogen Alastair \
             Priya Mohammed Chloë Ewan Yusuf Bethan Nigel Aoife Duncan Fatima",
            "Smith Jones Taylor O'Neill Brontë Evans Hughes Khan MacLeod Fairweather Ashworth Patel Whitfield Cartwright \
             Llewellyn Thornbury Begum Pemberton Sinclair Hargreaves Okonkwo Davies",
        ),
        Culture::Polish => (
            "Łukasz Małgorzata Paweł Agnieszka Michał Żaneta Grzegorz Joanna Wojciech Zofia Stanisław Elżbieta Jędrzej \
             Katarzyna Bolesław Bożena Radosław Oksana Tomasz Ewa",
            "Wiśniewski Wójcik Kamińska Zieliński Szymańska Dąbrowski Kozłowska Jankowski Mazur Krawczyk Grabowska \
             Pająk Żółć Łuczak Shevchenko Sikora Baran Górski",
        ),
        Culture::American => (
            "James Maria Robert Linda José Emily Michael Guadalupe David Ashley Tyrone Jennifer Nguyet Brandon Renée \
             Carlos Madison Ming Elijah Sofía Hannah DeShawn",
            "Johnson García Williams Brown Rodríguez Miller Lee Tran Washington Nuñez Anderson Kim Peterson Yazzie Olsen \
             Hernández Wong Clark Robinson St.John",
        ),
        Culture::Brazilian => (
            "João Ana Antônio Márcia Luís Fernanda Thiago Letícia Cauã Conceição Rafael Íris Gonçalo Beatriz Zé Luíza",
            "Silva Souza Araújo Gonçalves Lima Pereira Magalhães Assunção Barbosa Yamamoto Nascimento Brandão Rocha Simões",
        ),
        Culture::Indian => (
            "Aarav Lakshmi Venkata Ananya Ravi Sirisha Arjun Deepika Karthik Meera Imran Kavya Suresh Divya Rahul \
             Padmavathi Vikram Swathi Naveen Zainab",
            "Reddy Sharma Rao Naidu Chowdhury Iyer Khan Gupta Varma Krishnamurthy Singh Prasad Fernandes Nair Goud Mehta \
             Venkataraman Joshi",
        ),
        Culture::Japanese => (
            "Yōko Haruto Sakura Kenji Aiko Ryōta Keiko Daichi Emi Shōhei Natsuki Jun'ichi Mariko Tarō",
            "Satō Suzuki Takahashi Tanaka Watanabe Itō Yamamoto Ōno Kobayashi Katō Saitō Endō",
        ),
        Culture::Kenyan => (
            "Wanjiku Otieno Achieng Kamau Njeri Kipchoge Amina Mwangi Chebet Omondi Wambui Juma",
            "Kariuki Odhiambo Mutua Wekesa Ndung'u Cheruiyot Hassan Onyango Muthoni Kiprop Ochieng",
        ),
    }
}

/// The name in lower-case ASCII letters; what has none is left out.
fn ascii(name: &str) -> String {
    const FROM: &str = "áãâàçéêëíïłńñóôõöōśúüūźżąęćěř";
    const TO: &str = "aaaaceeeiilnnooooosuuuzzaecer";
    let fold = |letter: char| {
        let found = FROM.chars().zip(TO.chars()).find(|&(from, _)| from == letter);
        found.map_or(letter, |(_, to)| to)
    };
    name.chars().flat_map(char::to_lowercase).map(fold).filter(char::is_ascii_alphabetic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_ascii_login() {
        for culture in super::super::places::OFFICES.iter().map(|office| office.culture) {
            let (given, family) = lists(culture);
            for word in given.split(' ').chain(family.split(' ')) {
                let letters = word.chars().filter(|letter| letter.is_alphabetic()).count();
                assert_eq!(ascii(word).len(), letters, "{word}: a letter has no ASCII form");
            }
        }
        let name = Name { given: "Łukasz", family: "O'Żółć-Ōno" };
        assert_eq!((name.login().as_str(), name.user_id().as_str()), ("lukasz.ozolcono", "LOZOLCON"));
    }
}
