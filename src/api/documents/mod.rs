//! Machine-readable descriptions of the API, made from the two tables: OpenAPI for REST, AsyncAPI for MQTT.

mod asyncapi;
mod openapi;
mod schema;

pub use asyncapi::asyncapi;
pub use openapi::openapi;
