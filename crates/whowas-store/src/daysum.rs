//! The digest of a day, from the hash tiles. Which positions a day has is for others to know.

use whowas_event::daily::DaySum;
use whowas_tlog::tile::TileId;

use crate::{StoreError, Trail};

impl Trail {
    /// Count and digest over the leaf hashes of these positions, which ascend, of the tree with `tree_size` leaves.
    ///
    /// # Errors
    /// A position is beyond the tree, or a tile cannot be read.
    pub async fn day_sum(&self, positions: &[u64], tree_size: u64) -> Result<DaySum, StoreError> {
        let width = u64::from(TileId::FULL_WIDTH);
        let mut sum = DaySum::default();
        let mut loaded = None;
        for position in positions {
            let index = position / width;
            if loaded.as_ref().is_none_or(|(at, _)| *at != index) {
                let tile = match TileId::in_tree(0, index, tree_size) {
                    Some(id) => self.tile(id).await?,
                    None => None,
                };
                loaded = tile.map(|tile| (index, tile));
            }
            let offset = usize::try_from(position % width).unwrap_or_default() * 32;
            let hash = loaded.as_ref().and_then(|(_, tile)| tile.get(offset..offset + 32)?.try_into().ok());
            sum.add(hash.ok_or_else(|| StoreError::corrupt(format!("no tile has position {position}")))?);
        }
        Ok(sum)
    }
}
