//! One snapshot of a trail as a table: the archive's Parquet files and the tail, under one schema.
//!
//! Files that cannot hold a wanted time are left out before planning; within a file DataFusion prunes by
//! row-group statistics, page index and bloom filter, and decodes further columns only for rows that pass.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DFSchema, Result, ScalarValue},
    datasource::{
        TableType,
        listing::PartitionedFile,
        memory::MemorySourceConfig,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetSource, parquet::CachedParquetFileReaderFactory,
        },
        source::DataSourceExec,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, utils::conjunction},
    physical_plan::{ExecutionPlan, union::UnionExec},
};
use object_store::{ObjectStore, path::Path};
use whowas_event::Time;
use whowas_store::{ArchiveFile, Snapshot, Trail, columns::SCHEMA};

/// A snapshot as DataFusion sees it.
#[derive(Debug)]
pub(crate) struct TrailTable {
    snapshot: Arc<Snapshot>,
    store: Arc<dyn ObjectStore>,
    archive: Path,
}

impl TrailTable {
    pub(crate) fn new(trail: &Trail, snapshot: Arc<Snapshot>) -> Self {
        let (store, archive) = trail.archive_location();
        Self { snapshot, store, archive }
    }

    fn scan_archive(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        files: Vec<&ArchiveFile>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let mut source = ParquetSource::new(SCHEMA.clone())
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(
                self.store.clone(),
                cache,
            )));
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = DFSchema::try_from(SCHEMA.as_ref().clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        // Newest first: a search for the newest rows finds its threshold early and skips the rest.
        let workers = state.config().target_partitions().max(1);
        let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); workers.min(files.len()).max(1)];
        let count = groups.len();
        for (at, file) in files.into_iter().rev().enumerate() {
            let path = format!("{}/{}", self.archive, file.path);
            if let Some(group) = groups.get_mut(at % count) {
                group.push(PartitionedFile::new(path, file.bytes));
            }
        }
        let groups = groups.into_iter().map(FileGroup::new).collect();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait]
impl TableProvider for TrailTable {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The tail is not filtered here, so the engine filters once more above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let bounds = Bounds::of(filters);
        let files: Vec<&ArchiveFile> =
            self.snapshot.files.iter().filter(|file| bounds.may_hold(file)).collect();
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !files.is_empty() {
            parts.push(self.scan_archive(state, projection, filters, files)?);
        }
        let tail: Vec<_> = self.snapshot.tail.iter().map(|batch| batch.batch.clone()).collect();
        if !tail.is_empty() || parts.is_empty() {
            parts.push(MemorySourceConfig::try_new_exec(&[tail], SCHEMA.clone(), projection.cloned())?);
        }
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                parts.push(last);
                UnionExec::try_new(parts)
            }
            (None, _) => datafusion::common::internal_err!("a scan has at least one part"),
        }
    }
}

/// The stretch of time that a conjunction of filters leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    min_micros: i64,
    max_micros: i64,
}

impl Bounds {
    pub(crate) fn of(filters: &[Expr]) -> Self {
        let mut bounds = Self { min_micros: i64::MIN, max_micros: i64::MAX };
        filters.iter().for_each(|filter| bounds.narrow(filter));
        bounds
    }

    fn narrow(&mut self, filter: &Expr) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return };
        if *op == Operator::And {
            self.narrow(left);
            self.narrow(right);
            return;
        }
        let (Expr::Column(column), Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), _), _)) =
            (left.as_ref(), right.as_ref())
        else {
            return;
        };
        if column.name != "occurred_at" {
            return;
        }
        match op {
            Operator::GtEq | Operator::Gt => self.min_micros = self.min_micros.max(*micros),
            Operator::LtEq | Operator::Lt => self.max_micros = self.max_micros.min(*micros),
            _ => {}
        }
    }

    pub(crate) fn may_hold(&self, file: &ArchiveFile) -> bool {
        let micros = |time: Time| time.as_ms() * 1000;
        micros(file.occurred_max) >= self.min_micros && micros(file.occurred_min) <= self.max_micros
    }
}
