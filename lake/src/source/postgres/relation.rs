//! One topic's rows as SQL: what is selected, in which order, from where to where.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use tokio_postgres::Client;

use super::{
    catalog::{self, Described, Relation},
    column::Form,
    literal::{self, quoted},
    options::{Mode, PostgresOptions},
};
use crate::{LakeError, Position};

/// How a value of the position is read from a row, and written into SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    /// A timestamp, as microseconds since 1970.
    Micros,
    Number,
    Text,
}

/// A column by which rows are ordered.
#[derive(Debug, Clone)]
pub(super) struct OrderColumn {
    /// The expression in SQL.
    pub(super) expression: String,
    /// Its place among the selected columns.
    pub(super) place: usize,
    pub(super) kind: Ordered,
}

/// What is read for a topic.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) relation: Relation,
    /// The expressions that are selected: those of the row, then those that only the position needs.
    selected: Vec<String>,
    pub(super) forms: Vec<Form>,
    /// The columns of the row, the first ones of `forms`.
    pub(super) schema: SchemaRef,
    /// Empty in the mode `bulk`.
    pub(super) order: Vec<OrderColumn>,
    /// Whether the order is total, so that a position can be expressed after every row.
    pub(super) is_total: bool,
    /// Whether the timestamp has a zone, if there is one.
    has_zone: bool,
}

impl Reading {
    /// Asks the database for columns and key.
    pub(super) async fn prepare(client: &Client, relation: Relation, mode: &Mode) -> Result<Self, LakeError> {
        let columns = catalog::columns(client, &relation).await?;
        let mut reading = Self {
            relation,
            selected: Vec::new(),
            forms: Vec::new(),
            schema: Arc::new(Schema::empty()),
            order: Vec::new(),
            is_total: true,
            has_zone: true,
        };
        let mut fields = Vec::new();
        for Described { name, data_type, modifier } in &columns {
            let (form, is_cast) = Form::of(data_type, *modifier);
            fields.push(Field::new(name, form.data_type(), true));
            let column = format!("octet.{}", quoted(name));
            let cast = if matches!(form, Form::List(_)) { "text[]" } else { "text" };
            reading.selected.push(if is_cast { format!("{column}::{cast}") } else { column });
            reading.forms.push(form);
        }
        reading.schema = Arc::new(Schema::new(fields));
        let place = |name: &str| {
            let place = columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| LakeError::Refused(format!("there is no column {name}")))
        };
        match mode {
            Mode::Bulk => {}
            Mode::Timestamp(timestamps) => {
                reading.order_by_time(timestamps, place)?;
                let key = catalog::key(client, &reading.relation).await?;
                reading.is_total = !key.is_empty();
                for column in key {
                    reading.order_by_key(&column, place(&column)?);
                }
            }
            Mode::Incrementing(column) => reading.order_by_number(column, place(column)?)?,
            Mode::TimestampIncrementing(timestamps, column) => {
                reading.order_by_time(timestamps, place)?;
                reading.order_by_number(column, place(column)?)?;
            }
        }
        Ok(reading)
    }

    fn order_by_time(
        &mut self,
        columns: &[String],
        place: impl Fn(&str) -> Result<usize, LakeError>,
    ) -> Result<(), LakeError> {
        let mut places = Vec::new();
        for column in columns {
            let at = place(column)?;
            match self.forms.get(at) {
                Some(Form::Timestamp) => self.has_zone = false,
                Some(Form::Moment) => {}
                _ => return Err(LakeError::Refused(format!("the column {column} is not a timestamp"))),
            }
            places.push(at);
        }
        let expressions: Vec<_> = columns.iter().map(|column| format!("octet.{}", quoted(column))).collect();
        let (expression, place) = if let ([expression], [place]) = (expressions.as_slice(), places.as_slice())
        {
            (expression.clone(), *place)
        } else {
            let forms: Vec<_> = places.iter().filter_map(|place| self.forms.get(*place)).collect();
            if forms.windows(2).any(|pair| pair.first() != pair.last()) {
                let text = "the timestamp columns must all have a time zone, or none of them";
                return Err(LakeError::Refused(text.to_owned()));
            }
            let form = forms.first().map_or(Form::Moment, |form| (*form).clone());
            let expression = format!("COALESCE({})", expressions.join(", "));
            (expression.clone(), self.hidden(expression, form))
        };
        self.order.push(OrderColumn { expression, place, kind: Ordered::Micros });
        Ok(())
    }

    fn order_by_number(&mut self, column: &str, place: usize) -> Result<(), LakeError> {
        if !matches!(self.forms.get(place), Some(Form::Int16 | Form::Int32 | Form::Int64 | Form::Oid)) {
            return Err(LakeError::Refused(format!("the column {column} is not a whole number")));
        }
        self.order_by_key(column, place);
        Ok(())
    }

    fn order_by_key(&mut self, column: &str, place: usize) {
        let expression = format!("octet.{}", quoted(column));
        let (place, kind) = match self.forms.get(place) {
            Some(Form::Int16 | Form::Int32 | Form::Int64 | Form::Oid) => (place, Ordered::Number),
            Some(Form::Timestamp | Form::Moment) => (place, Ordered::Micros),
            Some(Form::Uuid) => (place, Ordered::Text),
            // As text for the position, in the column's own order in SQL.
            _ => (self.hidden(format!("{expression}::text"), Form::Text), Ordered::Text),
        };
        self.order.push(OrderColumn { expression, place, kind });
    }

    fn hidden(&mut self, expression: String, form: Form) -> usize {
        self.selected.push(expression);
        self.forms.push(form);
        self.forms.len() - 1
    }

    /// The timestamp's expression, if there is one.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.order
            .first()
            .filter(|column| column.kind == Ordered::Micros)
            .map(|column| column.expression.as_str())
    }

    /// The statement that reads the rows after `position` and before the bounds.
    pub(super) fn copy(
        &self,
        options: &PostgresOptions,
        zone: &str,
        position: Option<&Position>,
        bounds: Bounds,
    ) -> Result<String, LakeError> {
        let mut conditions = Vec::new();
        let instant = |micros: i64| {
            let moment = format!("timestamptz {}", literal::micros(micros));
            if self.has_zone { moment } else { format!("({moment} AT TIME ZONE {})", literal::text(zone)) }
        };
        if let Some(timestamp) = self.timestamp() {
            conditions.push(format!("{timestamp} < {}", instant(bounds.moment)));
            conditions.push(format!("isfinite({timestamp})"));
            if let Some(initial) = options.initial {
                conditions.push(format!("{timestamp} >= {}", instant(initial)));
            }
        } else if let (Some(column), Some(last)) = (self.order.first(), bounds.last) {
            conditions.push(format!("{} <= {last}", column.expression));
        }
        if let Some(position) = position {
            conditions.push(self.after(position)?);
        }
        let order: Vec<&str> = self.order.iter().map(|column| column.expression.as_str()).collect();
        let mut query = format!("SELECT {} FROM {}", self.selected.join(", "), self.relation.from());
        if !conditions.is_empty() {
            query.push_str(" WHERE ");
            query.push_str(&conditions.join(" AND "));
        }
        if !order.is_empty() {
            query.push_str(" ORDER BY ");
            query.push_str(&order.join(", "));
        }
        Ok(format!("COPY ({query}) TO STDOUT (FORMAT binary)"))
    }

    /// The condition of the rows after a position.
    fn after(&self, position: &Position) -> Result<String, LakeError> {
        let other = || {
            let text =
                "the position in the lake is of another mode or key; `octet lake offsets reset` starts again";
            LakeError::Refused(text.to_owned())
        };
        let columns =
            if self.is_total { self.order.as_slice() } else { self.order.get(..1).unwrap_or_default() };
        let values =
            position.0.as_array().filter(|values| values.len() == columns.len()).ok_or_else(other)?;
        let mut literals = Vec::new();
        for (column, value) in columns.iter().zip(values) {
            literals.push(match column.kind {
                Ordered::Micros => literal::micros(value.as_i64().ok_or_else(other)?),
                Ordered::Number => value.as_i64().ok_or_else(other)?.to_string(),
                Ordered::Text => literal::text(value.as_str().ok_or_else(other)?),
            });
        }
        let expressions: Vec<&str> = columns.iter().map(|column| column.expression.as_str()).collect();
        Ok(format!("({}) > ({})", expressions.join(", "), literals.join(", ")))
    }
}

/// Where final rows end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Before this moment, in microseconds since 1970.
    pub(super) moment: i64,
    /// Up to this number.
    pub(super) last: Option<i64>,
}
