//! Reading a policy, line by line. Everything it refuses has the number of its line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Node, POLICY_BYTES_MAX, POLICY_ITEMS_MAX, Policy, PolicyError, TrustedLog, TrustedWitness};
use crate::checkpoint::parse_decimal;
use crate::key::{Algorithm, VerifyingKey};

pub(super) fn policy(bytes: &[u8]) -> Result<Policy, PolicyError> {
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::TooLong(bytes.len()));
    }
    let mut reader = Reader::default();
    // A last line without its line feed is a line all the same: editors differ.
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(PolicyError::ControlCharacter(number));
        }
        let items: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|item| !item.is_empty()).collect();
        if items.first().is_some_and(|item| !item.starts_with(b"#")) {
            reader.line(number, &items)?;
        }
    }
    let quorum = reader.quorum.ok_or(PolicyError::Quorum)?;
    Ok(Policy { logs: reader.logs, nodes: reader.nodes, quorum })
}

#[derive(Default)]
struct Reader {
    logs: Vec<TrustedLog>,
    nodes: Vec<Node>,
    /// Places of witnesses and groups by name; one namespace.
    names: BTreeMap<Vec<u8>, usize>,
    witness_keys: BTreeSet<[u8; 32]>,
    /// What is a member of some group.
    members: BTreeSet<usize>,
    quorum: Option<Option<usize>>,
}

impl Reader {
    fn line(&mut self, number: usize, items: &[&[u8]]) -> Result<(), PolicyError> {
        match items {
            [b"log", vkey] => self.log(number, vkey, None),
            [b"log", vkey, url] => self.log(number, vkey, Some(url)),
            [b"witness", name, vkey] => self.witness(number, name, vkey, None),
            [b"witness", name, vkey, url] => self.witness(number, name, vkey, Some(url)),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(number, name, threshold, members)
            }
            [b"quorum", name] => self.quorum(number, name),
            _ => Err(PolicyError::Line(number)),
        }
    }

    fn log(&mut self, number: usize, vkey: &[u8], url: Option<&&[u8]>) -> Result<(), PolicyError> {
        let key = key(number, vkey, Algorithm::Ed25519)?;
        if self.logs.iter().any(|log| log.key.public_key() == key.public_key()) {
            return Err(PolicyError::DuplicateKey(number));
        }
        if self.logs.len() >= POLICY_ITEMS_MAX {
            return Err(PolicyError::TooMany(number));
        }
        self.logs.push(TrustedLog { key, url: text(number, url)? });
        Ok(())
    }

    fn witness(
        &mut self,
        number: usize,
        name: &[u8],
        vkey: &[u8],
        url: Option<&&[u8]>,
    ) -> Result<(), PolicyError> {
        let key = key(number, vkey, Algorithm::CosignatureV1)?;
        if !self.witness_keys.insert(*key.public_key()) {
            return Err(PolicyError::DuplicateKey(number));
        }
        let witness = TrustedWitness { name: name.to_vec(), key, url: text(number, url)? };
        self.define(number, Node::Witness(Box::new(witness)))
    }

    fn group(
        &mut self,
        number: usize,
        name: &[u8],
        threshold: &[u8],
        members: &[&[u8]],
    ) -> Result<(), PolicyError> {
        let members: Vec<usize> =
            members.iter().map(|name| self.known(number, name)).collect::<Result<_, _>>()?;
        // Global, as the specification has it: a witness counts in one way only.
        if !members.iter().all(|member| self.members.insert(*member)) {
            return Err(PolicyError::MemberTwice(number));
        }
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            digits => std::str::from_utf8(digits)
                .ok()
                .and_then(parse_decimal)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=members.len()).contains(k))
                .ok_or(PolicyError::Threshold(number))?,
        };
        self.define(number, Node::Group { name: name.to_vec(), threshold, members })
    }

    fn quorum(&mut self, number: usize, name: &[u8]) -> Result<(), PolicyError> {
        let quorum = if name == b"none" { None } else { Some(self.known(number, name)?) };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err(PolicyError::Quorum),
        }
    }

    fn define(&mut self, number: usize, node: Node) -> Result<(), PolicyError> {
        let is_same_kind = |other: &&Node| std::mem::discriminant(*other) == std::mem::discriminant(&node);
        if self.nodes.iter().filter(is_same_kind).count() >= POLICY_ITEMS_MAX {
            return Err(PolicyError::TooMany(number));
        }
        if node.name() == b"none" || self.names.contains_key(node.name()) {
            return Err(PolicyError::NameTaken(number));
        }
        self.names.insert(node.name().to_vec(), self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    fn known(&self, number: usize, name: &[u8]) -> Result<usize, PolicyError> {
        self.names.get(name).copied().ok_or(PolicyError::NameUnknown(number))
    }
}

fn key(number: usize, vkey: &[u8], expected: Algorithm) -> Result<VerifyingKey, PolicyError> {
    let text =
        std::str::from_utf8(vkey).map_err(|_| PolicyError::Key(number, crate::key::KeyError::Parts))?;
    let key = VerifyingKey::parse(text).map_err(|error| PolicyError::Key(number, error))?;
    if key.algorithm() == expected { Ok(key) } else { Err(PolicyError::KeyKind(number)) }
}

/// A URL is asked to be UTF-8, beyond the specification: nothing else can be requested.
fn text(number: usize, url: Option<&&[u8]>) -> Result<Option<String>, PolicyError> {
    url.map(|url| String::from_utf8(url.to_vec()).map_err(|_| PolicyError::Line(number))).transpose()
}
