//! JSON lines.

use std::{fmt::Debug, io::Write, sync::Arc};

use arrow_array::{
    Array, Int64Array, RecordBatch,
    cast::AsArray,
    types::{Float32Type, Float64Type, Int32Type, Int64Type},
};
use arrow_cast::cast;
use arrow_json::{
    Encoder, EncoderFactory, EncoderOptions, WriterBuilder,
    writer::{LineDelimited, NullableEncoder},
};
use arrow_schema::{ArrowError, DataType, FieldRef, TimeUnit};
use base64::{display::Base64Display, engine::general_purpose::STANDARD};

/// A line for each row, with explicit nulls.
pub(crate) fn lines(batches: &[RecordBatch], epoch_times: bool) -> Result<Vec<u8>, ArrowError> {
    let builder = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Encoders { epoch_times }));
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(writer.into_inner())
}

/// Where Arrow's form is not Kafka Connect's, or loses values.
#[derive(Debug)]
struct Encoders {
    /// Timestamps are milliseconds since 1970, times are milliseconds since midnight, dates are days since 1970.
    epoch_times: bool,
}

impl EncoderFactory for Encoders {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let numbers = |numbers: Int64Array, divisor| {
            let nulls = numbers.nulls().cloned();
            Some(NullableEncoder::new(Box::new(Numbers { numbers, divisor }), nulls))
        };
        Ok(match array.data_type() {
            DataType::Timestamp(_, zone) if self.epoch_times => {
                let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                numbers(cast(&micros, &DataType::Int64)?.as_primitive::<Int64Type>().clone(), 1_000)
            }
            DataType::Time64(_) | DataType::Time32(_) if self.epoch_times => {
                let micros = cast(array, &DataType::Time64(TimeUnit::Microsecond))?;
                numbers(cast(&micros, &DataType::Int64)?.as_primitive::<Int64Type>().clone(), 1_000)
            }
            DataType::Date32 if self.epoch_times => {
                let days = cast(array, &DataType::Int32)?;
                let days = days.as_primitive::<Int32Type>();
                numbers(days.unary::<_, Int64Type>(i64::from), 1)
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                Some(NullableEncoder::new(Box::new(Bytes(bytes.clone())), bytes.nulls().cloned()))
            }
            DataType::Float64 => {
                let floats = array.as_primitive::<Float64Type>();
                let is_finite = floats.iter().flatten().all(f64::is_finite);
                (!is_finite).then(|| {
                    NullableEncoder::new(Box::new(Floats(floats.values().to_vec())), floats.nulls().cloned())
                })
            }
            DataType::Float32 => {
                let floats = array.as_primitive::<Float32Type>();
                let is_finite = floats.iter().flatten().all(f32::is_finite);
                (!is_finite).then(|| {
                    let values = floats.values().to_vec();
                    NullableEncoder::new(Box::new(Floats(values)), floats.nulls().cloned())
                })
            }
            _ => None,
        })
    }
}

struct Numbers {
    numbers: Int64Array,
    divisor: i64,
}

impl Encoder for Numbers {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        // Into a vector: it cannot fail. Rounded down before 1970 too, as Java does.
        let _ = write!(out, "{}", self.numbers.value(row).div_euclid(self.divisor));
    }
}

struct Bytes(arrow_array::BinaryArray);

impl Encoder for Bytes {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let _ = write!(out, "\"{}\"", Base64Display::new(self.0.value(row), &STANDARD));
    }
}

/// Floats some of which are not numbers of JSON: these are text, as Kafka Connect writes them. Arrow would write null.
struct Floats<T>(Vec<T>);

impl<T: Copy + Into<f64> + serde::Serialize> Encoder for Floats<T> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let Some(value) = self.0.get(row).copied() else { return };
        let wide: f64 = value.into();
        let written = if wide.is_finite() {
            serde_json::to_writer(&mut *out, &value).is_ok()
        } else {
            let text = if wide.is_nan() {
                "NaN"
            } else if wide > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            write!(out, "\"{text}\"").is_ok()
        };
        debug_assert!(written, "a vector takes every byte");
    }
}
