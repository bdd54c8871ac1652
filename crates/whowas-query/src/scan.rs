//! One condition over one snapshot: which files, row groups and pages may hold rows, and the rows themselves.
//!
//! A search asks little of a planner, and a planner takes longer than the search. So the condition is
//! compiled once by DataFusion (its expressions, its pruning by statistics), and this module walks the
//! parts of a snapshot with it: the tail in memory, and the files of the archive, several at once. What
//! is not a search (SQL, exports) goes through DataFusion as a whole, over [`crate::table`].

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt64Array, new_null_array},
    compute::{filter_record_batch, prep_null_mask_filter, take_record_batch},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
};
use datafusion::{
    common::DFSchema,
    datasource::physical_plan::parquet::{
        PagePruningAccessPlanFilter, ParquetAccessPlan, ParquetFileMetrics, RowGroupAccessPlanFilter,
    },
    logical_expr::{Expr, Operator},
    physical_expr::{
        PhysicalExpr,
        expressions::{BinaryExpr, Column},
        utils::{Guarantee, collect_columns, conjunction, reassign_expr_columns, split_conjunction},
    },
    physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder},
    physical_plan::metrics::ExecutionPlanMetricsSet,
    prelude::SessionContext,
    scalar::ScalarValue,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, path::Path};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowPredicate, ArrowPredicateFn, RowFilter, RowSelection},
};
use whowas_store::{Snapshot, Trail, columns::SCHEMA};

use crate::{
    QueryError,
    files::{FileCache, OpenFile, ROW_NUMBER},
    table::Bounds,
};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;
/// Files that are read at once, for each core.
const FILES_PER_CORE: usize = 1;

/// A part of a snapshot: a batch of the tail, or a file of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Tail(usize),
    File(usize),
}

/// A condition, compiled, and what it is asked of.
#[derive(Clone)]
pub(crate) struct Scan {
    snapshot: Arc<Snapshot>,
    store: Arc<dyn ObjectStore>,
    archive: Path,
    files: Arc<FileCache>,
    condition: Arc<Condition>,
}

struct Condition {
    predicate: Arc<dyn PhysicalExpr>,
    /// The predicate's conjuncts, those that read the same columns together, in the order in which they
    /// are decided.
    steps: Vec<Step>,
    pruning: PruningPredicate,
    pages: PagePruningAccessPlanFilter,
    bounds: Bounds,
}

impl Scan {
    pub(crate) fn new(
        context: &SessionContext,
        files: Arc<FileCache>,
        trail: &Trail,
        snapshot: Arc<Snapshot>,
        condition: &Expr,
    ) -> Result<Self, QueryError> {
        let schema = DFSchema::try_from(SCHEMA.as_ref().clone())?;
        let predicate = context.create_physical_expr(condition.clone(), &schema)?;
        let condition = Condition {
            steps: steps(&predicate),
            pruning: PruningPredicateBuilder::new()
                .with_file_schema(SCHEMA.clone())
                .try_build(predicate.clone())?,
            pages: PagePruningAccessPlanFilter::new(&predicate, SCHEMA.clone()),
            bounds: Bounds::of(std::slice::from_ref(condition)),
            predicate,
        };
        let (store, archive) = trail.archive_location();
        Ok(Self { snapshot, store, archive, files, condition: Arc::new(condition) })
    }

    /// Folds the rows for which the condition holds, as batches of the columns `names` and, for files, of
    /// [`ROW_NUMBER`]. Each part has a result of its own; batches of one part come in its order.
    pub(crate) async fn fold<A, F>(
        &self,
        names: &'static [&'static str],
        step: F,
    ) -> Result<Vec<A>, QueryError>
    where
        A: Default + Send + 'static,
        F: Fn(&mut A, Part, &RecordBatch) -> Result<(), QueryError> + Clone + Send + Sync + 'static,
    {
        let mut results = self.fold_tail(names, &step)?;
        let bounds = &self.condition.bounds;
        // Newest first, so that what a search shows is found while older files are counted.
        let wanted: Vec<usize> = (0..self.snapshot.files.len())
            .rev()
            .filter(|&idx| self.snapshot.files.get(idx).is_some_and(|file| bounds.may_hold(file)))
            .collect();
        let workers = std::thread::available_parallelism().map_or(2, usize::from) * FILES_PER_CORE;
        let tasks = wanted.into_iter().map(|idx| {
            let (scan, step) = (self.clone(), step.clone());
            on_blocking_thread(move || scan.fold_file(idx, names, step))
        });
        let folded: Vec<A> = stream::iter(tasks).buffer_unordered(workers).try_collect().await?;
        results.extend(folded);
        Ok(results)
    }

    fn fold_tail<A: Default>(
        &self,
        names: &[&str],
        step: &impl Fn(&mut A, Part, &RecordBatch) -> Result<(), QueryError>,
    ) -> Result<Vec<A>, QueryError> {
        let mut result = A::default();
        for (idx, tail) in self.snapshot.tail.iter().enumerate() {
            let mask = evaluate(&self.condition.predicate, &tail.batch)?;
            if mask.true_count() > 0 {
                let numbered = with_row_numbers(&select_columns(&tail.batch, names)?)?;
                step(&mut result, Part::Tail(idx), &filter_record_batch(&numbered, &mask)?)?;
            }
        }
        Ok(vec![result])
    }

    fn fold_file<A, F>(&self, idx: usize, names: &[&str], step: F) -> Result<A, QueryError>
    where
        A: Default,
        F: Fn(&mut A, Part, &RecordBatch) -> Result<(), QueryError>,
    {
        let mut result = A::default();
        let Some(file) = self.snapshot.files.get(idx) else { return Ok(result) };
        let open = self.files.open(&self.store, &self.archive, file)?;
        let access = self.prune(&open)?;
        if access.row_group_indexes().is_empty() {
            return Ok(result);
        }
        let filter = self.condition.row_filter(&open, &access)?;
        for batch in read(&open, access, names, Some(filter))? {
            step(&mut result, Part::File(idx), &batch?)?;
        }
        Ok(result)
    }

    /// The row groups and pages of a file in which the condition may hold.
    fn prune(&self, open: &OpenFile) -> Result<ParquetAccessPlan, QueryError> {
        let metadata = open.metadata.metadata();
        let groups = metadata.row_groups();
        let schema = open.metadata.parquet_schema();
        let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
        let mut filter = RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(groups.len()));
        filter.prune_by_statistics(&SCHEMA, schema, groups, &self.condition.pruning, &metrics);
        let mut access = filter.build();
        for group in access.row_group_indexes() {
            if !self.may_hold(open, group)? {
                access.skip(group);
            }
        }
        let pages = &self.condition.pages;
        Ok(pages.prune_plan_with_page_index(access, &SCHEMA, schema, metadata, &metrics))
    }

    /// Whether a row group's bloom filters leave room for the values that the condition demands.
    fn may_hold(&self, open: &OpenFile, group: usize) -> Result<bool, QueryError> {
        for demand in self.condition.pruning.literal_guarantees() {
            let column = SCHEMA.index_of(demand.column.name()).ok();
            let (Some(column), Guarantee::In) = (column, demand.guarantee) else { continue };
            let Some(bloom) = open.bloom(group, column)? else { continue };
            let may_be = |value: &ScalarValue| match value {
                ScalarValue::Utf8(Some(text)) => bloom.check(&text.as_str()),
                _ => true,
            };
            if !demand.literals.iter().any(may_be) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows with these numbers in one part, each number once and ascending. For blocking threads.
    pub(crate) fn rows(
        &self,
        part: Part,
        numbers: &[usize],
        names: &[&str],
    ) -> Result<Vec<RecordBatch>, QueryError> {
        match part {
            Part::Tail(idx) => {
                let Some(tail) = self.snapshot.tail.get(idx) else { return Ok(Vec::new()) };
                let numbers: UInt64Array = numbers.iter().map(|&number| number as u64).collect();
                let wanted = select_columns(&tail.batch, names)?;
                Ok(vec![take_record_batch(&wanted, &numbers)?])
            }
            Part::File(idx) => {
                let Some(file) = self.snapshot.files.get(idx) else { return Ok(Vec::new()) };
                let open = self.files.open(&self.store, &self.archive, file)?;
                let groups = open.metadata.metadata().row_groups();
                let total = groups.iter().filter_map(|group| usize::try_from(group.num_rows()).ok()).sum();
                let ranges = numbers.iter().map(|&number| number..number + 1);
                let selection = RowSelection::from_consecutive_ranges(ranges, total);
                let access = ParquetAccessPlan::try_new_from_overall_row_selection(selection, groups)?;
                read(&open, access, names, None)?.collect()
            }
        }
    }
}

impl Condition {
    /// The steps that some row of the chosen row groups may fail. A step that their statistics answer is not
    /// asked of the rows: each costs a reader of its columns for every row group.
    fn row_filter(&self, open: &OpenFile, access: &ParquetAccessPlan) -> Result<RowFilter, QueryError> {
        let schema = open.metadata.parquet_schema();
        let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter().filter(|step| step.may_fail(open, access)) {
            let step = &step.predicate;
            let mut columns: Vec<usize> = collect_columns(step).iter().map(|column| column.index()).collect();
            columns.sort_unstable();
            let narrow: SchemaRef = Arc::new(SCHEMA.project(&columns)?);
            let step = reassign_expr_columns(step.clone(), &narrow)?;
            let mask = ProjectionMask::roots(schema, columns);
            let evaluate = move |batch: RecordBatch| {
                evaluate(&step, &batch).map_err(|e| ArrowError::ExternalError(Box::new(e)))
            };
            predicates.push(Box::new(ArrowPredicateFn::new(mask, evaluate)));
        }
        Ok(RowFilter::new(predicates))
    }
}

/// Conjuncts that read the same columns, decided together.
struct Step {
    predicate: Arc<dyn PhysicalExpr>,
    /// Its contrary, where one can be had: a row group that this rules out has only rows for which the
    /// step holds.
    contrary: Option<PruningPredicate>,
}

impl Step {
    fn new(conjuncts: Conjuncts) -> Self {
        let contrary = contrary(&conjuncts).and_then(|contrary| {
            let builder = PruningPredicateBuilder::new().with_file_schema(SCHEMA.clone());
            builder.try_build(contrary).ok()
        });
        Self { predicate: conjunction(conjuncts), contrary }
    }

    fn may_fail(&self, open: &OpenFile, access: &ParquetAccessPlan) -> bool {
        let Some(contrary) = &self.contrary else { return true };
        let groups = open.metadata.metadata().row_groups();
        let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
        let mut filter = RowGroupAccessPlanFilter::new(access.clone());
        filter.prune_by_statistics(&SCHEMA, open.metadata.parquet_schema(), groups, contrary, &metrics);
        !filter.build().row_group_indexes().is_empty()
    }
}

/// What holds exactly where the conjunction does not. `None` where a value may be absent, of which a
/// comparison is neither true nor false, and for anything but comparisons.
fn contrary(conjuncts: &[Arc<dyn PhysicalExpr>]) -> Option<Arc<dyn PhysicalExpr>> {
    let mut all = Vec::with_capacity(conjuncts.len());
    for conjunct in conjuncts {
        let comparison = conjunct.downcast_ref::<BinaryExpr>()?;
        let is_present =
            |column: &Column| SCHEMA.fields().get(column.index()).is_some_and(|f| !f.is_nullable());
        if !collect_columns(conjunct).iter().all(is_present) {
            return None;
        }
        let (left, right) = (comparison.left().clone(), comparison.right().clone());
        all.push(Arc::new(BinaryExpr::new(left, comparison.op().negate()?, right)) as Arc<dyn PhysicalExpr>);
    }
    all.into_iter().reduce(|a, b| Arc::new(BinaryExpr::new(a, Operator::Or, b)))
}

/// Expressions that must all hold.
type Conjuncts = Vec<Arc<dyn PhysicalExpr>>;

/// Groups the conjuncts of a predicate by their columns. Those of the sort order come first, because what
/// they leave are long runs, then those with few distinct values, then the others.
fn steps(predicate: &Arc<dyn PhysicalExpr>) -> Vec<Step> {
    let mut steps: BTreeMap<(u8, Vec<usize>), Conjuncts> = BTreeMap::new();
    for conjunct in split_conjunction(predicate) {
        let mut columns: Vec<usize> = Vec::new();
        let mut rank = 0;
        for column in collect_columns(conjunct) {
            columns.push(column.index());
            rank = rank.max(match column.name() {
                "user_key" => 0,
                "occurred_at" | "position" => 1,
                "kind" | "activity" | "status" => 2,
                _ => 3,
            });
        }
        columns.sort_unstable();
        steps.entry((rank, columns)).or_default().push(conjunct.clone());
    }
    steps.into_values().map(Step::new).collect()
}

/// For which rows a predicate is true: neither false nor unknown.
fn evaluate(predicate: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray, QueryError> {
    let values = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    let mask =
        values.as_boolean_opt().ok_or_else(|| QueryError::Internal("a condition is no truth value"))?;
    Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
}

/// The chosen rows of a file, with their numbers. Columns that have no value in any chosen row group are not
/// read: most sources leave a third of them empty, and each costs as much to set up as to read.
pub(crate) fn read(
    open: &OpenFile,
    access: ParquetAccessPlan,
    names: &[&str],
    filter: Option<RowFilter>,
) -> Result<impl Iterator<Item = Result<RecordBatch, QueryError>> + use<>, QueryError> {
    let metadata = open.metadata.metadata();
    let groups = access.row_group_indexes();
    let selection = access.into_overall_row_selection(metadata.row_groups())?;
    let columns = names.iter().filter_map(|name| SCHEMA.index_of(name).ok());
    let (empty, full): (Vec<usize>, Vec<usize>) = columns.partition(|&column| {
        let mut chosen = groups.iter().filter_map(|&group| metadata.row_groups().get(group));
        chosen.all(|group| {
            let nulls = group.column(column).statistics().and_then(|statistics| statistics.null_count_opt());
            nulls.is_some_and(|nulls| i64::try_from(nulls).is_ok_and(|nulls| nulls == group.num_rows()))
        })
    });
    let mask = ProjectionMask::roots(open.metadata.parquet_schema(), full);
    let mut builder = open.reader().with_batch_size(BATCH_ROWS).with_row_groups(groups).with_projection(mask);
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    if let Some(filter) = filter {
        builder = builder.with_row_filter(filter);
    }
    Ok(builder.build()?.map(move |batch| Ok(with_empty_columns(&batch?, &empty)?)))
}

/// A batch with more columns of [`SCHEMA`], which are null throughout.
fn with_empty_columns(batch: &RecordBatch, empty: &[usize]) -> Result<RecordBatch, ArrowError> {
    let more: Vec<FieldRef> = empty.iter().filter_map(|&at| SCHEMA.fields().get(at).cloned()).collect();
    let nulls: Vec<ArrayRef> =
        more.iter().map(|field| new_null_array(field.data_type(), batch.num_rows())).collect();
    let fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().chain(more).collect();
    let columns = batch.columns().iter().cloned().chain(nulls).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn select_columns(batch: &RecordBatch, names: &[&str]) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<usize> =
        names.iter().filter_map(|name| batch.schema_ref().index_of(name).ok()).collect();
    batch.project(&columns)
}

fn with_row_numbers(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let number = Arc::new(Field::new(ROW_NUMBER, DataType::Int64, false));
    let fields = batch.schema().fields().iter().cloned().chain([number]).collect::<Vec<_>>();
    let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::from_iter_values(0..rows)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Decodes where nobody waits for the thread. What was begun is finished even if the caller goes away: one
/// file for each core.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| QueryError::Internal("a part of the search has stopped"))?
}
