//! Inclusion and consistency proofs: RFC 6962 §2.1.1 and §2.1.2 make them,
//! RFC 9162 §2.1.3.2 and §2.1.4.2 check them.
//!
//! Making and checking are two different algorithms on purpose: a proof is
//! handed out only after the checker, which knows nothing of tiles, has
//! accepted it against the root the caller trusts. Signatures are not looked
//! at here: a root is trusted because a [`crate::checkpoint`] said so.

use crate::hash::{Hash, empty_root, node_hash};
use crate::tile::{NodeReader, TileError, TileSource};

/// Most hashes a proof can have: an inclusion proof 64, one for each halving
/// of a tree below 2^64 leaves; a consistency proof one more.
pub const PROOF_HASHES_MAX: usize = 65;

/// Which property of a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf.
    #[error("leaf {index} is not in a tree of size {size}")]
    IndexBeyondTree {
        /// The leaf asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A log only grows.
    #[error("a tree of size {old_size} cannot precede one of size {new_size}")]
    TreeShrinks {
        /// The size that should be earlier.
        old_size: u64,
        /// The size that should be later.
        new_size: u64,
    },
    /// The proof has too few or too many hashes for its sizes.
    #[error("proof has the wrong number of hashes")]
    Length,
    /// The proof does not lead to the earlier root: history was rewritten, or the proof is wrong.
    #[error("proof does not lead to the root of the earlier tree")]
    OldRootMismatch,
    /// The proof does not lead to the root: the leaf or the earlier tree is not in this one.
    #[error("proof does not lead to the root of the tree")]
    RootMismatch,
}

/// Why no proof could be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The tiles could not be read.
    #[error("tiles could not be read: {0}")]
    Tile(#[from] TileError),
    /// The request is impossible, or the tiles do not lead to the trusted
    /// root: then the evidence is broken.
    #[error("no valid proof can be made: {0}")]
    Proof(#[from] ProofError),
}

/// Proves that `leaf` is at `index` in the tree of `size` leaves whose trusted
/// root is `root`. The hashes go from the leaf's sibling up to the root's
/// child, and have been verified.
///
/// # Errors
/// There is no such leaf, a tile cannot be read, or the tiles lead to another
/// leaf or root.
pub fn prove_inclusion(
    index: u64,
    leaf: &Hash,
    size: u64,
    root: &Hash,
    source: &mut impl TileSource,
) -> Result<Vec<Hash>, ProveError> {
    if index >= size {
        return Err(ProofError::IndexBeyondTree { index, size }.into());
    }
    let mut tree = NodeReader::new(size, source);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let split = start + largest_power_of_two_below(end - start);
        if index < split {
            proof.push(tree.subtree(split, end)?);
            end = split;
        } else {
            proof.push(tree.subtree(start, split)?);
            start = split;
        }
    }
    proof.reverse();
    verify_inclusion(&proof, index, leaf, size, root)?;
    Ok(proof)
}

/// Proves that the tree of `old_size` leaves is a prefix of the one of
/// `new_size` whose trusted root is `new_root`. The hashes have been verified.
/// What the old root was, [`crate::tile::root_at`] tells.
///
/// # Errors
/// The old tree is larger, a tile cannot be read, or the tiles lead to another
/// root.
pub fn prove_consistency(
    old_size: u64,
    new_size: u64,
    new_root: &Hash,
    source: &mut impl TileSource,
) -> Result<Vec<Hash>, ProveError> {
    if old_size > new_size {
        return Err(ProofError::TreeShrinks { old_size, new_size }.into());
    }
    let mut tree = NodeReader::new(new_size, source);
    let mut proof = Vec::new();
    if old_size > 0 {
        subproof(&mut tree, old_size, new_size, &mut proof)?;
    }
    // Bound to the trusted root by the proof itself: a wrong one cannot pass.
    let old_root = tree.subtree(0, old_size)?;
    verify_consistency(&proof, old_size, &old_root, new_size, new_root)?;
    Ok(proof)
}

/// `SUBPROOF(old_size, D[0:new_size], true)` of RFC 6962 §2.1.2, walked down from the root.
fn subproof<S: TileSource>(
    tree: &mut NodeReader<'_, S>,
    old_size: u64,
    new_size: u64,
    proof: &mut Vec<Hash>,
) -> Result<(), TileError> {
    let (mut start, mut end) = (0, new_size);
    while old_size != end {
        let split = start + largest_power_of_two_below(end - start);
        if old_size <= split {
            proof.push(tree.subtree(split, end)?);
            end = split;
        } else {
            proof.push(tree.subtree(start, split)?);
            start = split;
        }
    }
    // A verifier has the old root itself; any other subtree it must be told.
    if start > 0 {
        proof.push(tree.subtree(start, end)?);
    }
    proof.reverse();
    Ok(())
}

/// RFC 6962's `k`: where a tree of `leaves` ≥ 2 is split.
fn largest_power_of_two_below(leaves: u64) -> u64 {
    assert!(leaves > 1, "one leaf cannot be split");
    1 << (leaves - 1).ilog2()
}

/// Checks an inclusion proof (RFC 9162 §2.1.3.2).
///
/// # Errors
/// The proof does not lead from the leaf to the root.
pub fn verify_inclusion(
    proof: &[Hash],
    index: u64,
    leaf: &Hash,
    size: u64,
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondTree { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match climb.step()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    climb.finish()?;
    if hash == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks a consistency proof (RFC 9162 §2.1.4.2).
///
/// Beyond the RFC: every tree extends the empty one, with an empty proof
/// (c2sp.org/tlog-witness).
///
/// # Errors
/// The proof does not lead to both roots.
pub fn verify_consistency(
    proof: &[Hash],
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::TreeShrinks { old_size, new_size });
    }
    if old_size == 0 || old_size == new_size {
        return verify_trivial(proof, old_size, old_root, new_size, new_root);
    }
    // The old root stands at the start of the path when it is itself a node of the new tree.
    let (first, rest) = match proof.split_first() {
        _ if old_size.is_power_of_two() => (old_root, proof),
        Some(split) => split,
        None => return Err(ProofError::Length),
    };
    let finished = (old_size - 1).trailing_ones();
    let mut climb = Climb { node: (old_size - 1) >> finished, last: (new_size - 1) >> finished };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        match climb.step()? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    climb.finish()?;
    if old_hash != *old_root {
        return Err(ProofError::OldRootMismatch);
    }
    if new_hash == *new_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Consistency without hashes: from the empty tree, or of a tree with itself.
fn verify_trivial(
    proof: &[Hash],
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::Length);
    }
    if old_size == 0 && *old_root != empty_root() {
        return Err(ProofError::OldRootMismatch);
    }
    if old_size == new_size && old_root != new_root { Err(ProofError::RootMismatch) } else { Ok(()) }
}

/// On which side of the path the next sibling stands.
enum Side {
    Left,
    Right,
}

/// The walk from a node to the root that both checks share: RFC 9162's `fn` and `sn`.
struct Climb {
    /// Place of the path's node in its row.
    node: u64,
    /// Place of the last node in that row; 0 at the root.
    last: u64,
}

impl Climb {
    /// Goes up past the next sibling.
    fn step(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length);
        }
        let is_left = self.node & 1 == 1 || self.node == self.last;
        // The last node of a row without a sibling moves up unhashed.
        let skipped = if is_left { self.node.trailing_zeros() } else { 0 };
        self.up(skipped);
        self.up(1);
        Ok(if is_left { Side::Left } else { Side::Right })
    }

    fn up(&mut self, rows: u32) {
        self.node = self.node.checked_shr(rows).unwrap_or(0);
        self.last = self.last.checked_shr(rows).unwrap_or(0);
    }

    /// The root must have been reached exactly.
    fn finish(self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Length) }
    }
}

#[cfg(test)]
mod tests;
