//! Filters as clients write them, and those that are refused.

use serde_json::json;

use super::*;
use crate::scim::schema::ENTERPRISE;

fn ada() -> Map<String, Value> {
    let ada = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "U1",
        "externalId": "Ext",
        "userName": "Ada@Contoso.example",
        "name": { "familyName": "O'Malley", "givenName": "Ada" },
        "title": "VP",
        "active": true,
        "emails": [
            { "value": "ada@contoso.example", "type": "work", "primary": true },
            { "value": "ada@home.example", "type": "home" },
        ],
        "meta": { "lastModified": "2026-11-24T12:00:00.000Z", "resourceType": "User" },
        ENTERPRISE: { "department": "Sales", "manager": { "value": "M1" } },
    });
    ada.as_object().unwrap().clone()
}

#[test]
fn filters_find_what_the_rfc_says() {
    let table = [
        (r#"userName eq "ada@contoso.EXAMPLE""#, true),
        (r#"USERNAME EQ "ada@contoso.example""#, true),
        (r#"userName ne "ada@contoso.example""#, false),
        (r#"externalId eq "ext""#, false),
        (r#"externalId eq "Ext""#, true),
        (r#"name.familyName co "O'Malley""#, true),
        (r#"userName sw "ADA" and userName ew "example""#, true),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ada""#, true),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "sales""#, true),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "M1""#, true),
        ("title pr", true),
        ("nickName pr", false),
        ("not (nickName pr)", true),
        (r#"title pr and nickName pr or userName sw "ada""#, true),
        (r#"title pr and (nickName pr or userName sw "bob")"#, false),
        (r#"meta.lastModified gt "2026-11-24T11:59:59Z""#, true),
        (r#"meta.lastModified ge "2026-11-24T13:00:00+01:00""#, true),
        (r#"meta.lastModified lt "2026-11-24T12:00:00Z""#, false),
        (r#"emails.type eq "work""#, true),
        (r#"emails co "home.example""#, true),
        (r#"emails[type eq "work" and value co "@home.example"]"#, false),
        (r#"emails[type eq "home" and value co "@home.example"]"#, true),
        (r#"emails[not (type eq "work")]"#, true),
        (r#"emails.value ne "ada@home.example""#, false),
        ("active eq true", true),
        (r#"active eq "True""#, true),
        ("active eq False", false),
        ("nickName eq null", true),
        ("title eq null", false),
        ("title ne null", true),
        (r#"nickName ne "x""#, true),
        (r#"nothing eq "x""#, false),
        (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#, true),
        (r#"title gt "VO" and title le "vp""#, true),
        ("userName eq 5", false),
    ];
    for (filter, want) in table {
        let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error:?}"));
        assert_eq!(parsed.fits(Kind::User, &ada()), Ok(want), "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    let deep = format!("{}title pr{}", "(".repeat(30), ")".repeat(30));
    let many = vec!["title pr"; 300].join(" or ");
    let long = format!("userName eq \"{}\"", "x".repeat(FILTER_BYTES_MAX));
    let table = [
        ("", "`` is no name of an attribute"),
        ("userName", "`` is no operator"),
        ("userName is \"x\"", "`is` is no operator"),
        ("userName eq x", "`x` is no value: texts stand in quotation marks"),
        ("userName eq \"x", "`` is no value: texts stand in quotation marks"),
        ("userName eq {}", "`{}` is no value: texts stand in quotation marks"),
        ("userName eq \"x\" title pr", "`title pr` is not understood"),
        ("(title pr", "`)` is missing before ``"),
        ("emails[type eq \"x\"", "`]` is missing before ``"),
        ("title co 5", "co, sw and ew compare texts"),
        ("1a pr", "`1a` is no name of an attribute"),
        (&deep, "a filter is at most 24 deep"),
        (&many, "a filter has at most 256 comparisons"),
        (&long, "a filter or path has at most 8192 bytes"),
    ];
    for (filter, want) in table {
        let error = Filter::parse(filter).unwrap_err();
        assert_eq!((error.scim_type, error.detail.as_str()), (Some("invalidFilter"), want), "{filter}");
    }
    let asked = |filter: &str| Filter::parse(filter).unwrap().fits(Kind::User, &ada()).unwrap_err().detail;
    assert_eq!(asked("active gt true"), "`active` is true or false, without an order");
    assert_eq!(asked("name eq \"x\""), "`name` has no member that could be compared");
    assert_eq!(asked("emails[emails[type pr]]"), "brackets cannot stand in brackets");
}

#[test]
fn paths_have_an_attribute_a_filter_and_a_member() {
    let parse = |text: &str| Path::parse(text).unwrap();
    let path = parse("emails[type eq \"work\"].value");
    assert_eq!((path.name.attribute.as_str(), path.sub.as_deref()), ("emails", Some("value")));
    assert_eq!(path.filter.unwrap().required_members().unwrap(), [("type", &json!("work"))]);
    let path = parse("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value");
    assert_eq!((path.name.extension(Kind::User), path.sub.as_deref()), (Ok(Some(ENTERPRISE)), Some("value")));
    assert_eq!(parse("name.familyName").sub.as_deref(), Some("familyName"));
    for wrong in ["", "emails[", "emails[type eq \"x\"]value", "a b", "emails[type eq \"x\"].", ".x", "a..b"]
    {
        assert!(Path::parse(wrong).is_err(), "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z\\[\\]().\" :éA-Z0-9-]{0,80}") {
        let _ = Path::parse(&text);
        if let Ok(filter) = Filter::parse(&text) {
            let _ = filter.fits(Kind::User, &ada());
        }
    }
}
