//! The JavaScript engine: QuickJS without any way to the world, bounded in time and memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, Coerced, Context, Ctx, Function, Runtime, Value};

use super::{MEMORY_MAX, STACK, Said, TIME_MAX};
use crate::edges::devices::pipeline::excerpt;

/// One machine; its variables outlive a run.
pub(super) struct Engine {
    context: Context,
    /// When the present run is ended.
    end: Rc<Cell<Instant>>,
}

impl Engine {
    /// A machine that has run `library`; what fails there is logged, and missing later.
    pub(super) fn new(library: &[String]) -> Result<Self, String> {
        let failed = |error: rquickjs::Error| format!("js: no engine: {error}");
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(MEMORY_MAX);
        runtime.set_max_stack_size(STACK / 2);
        let end = Rc::new(Cell::new(Instant::now()));
        let over = Rc::clone(&end);
        runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= over.get())));
        let context = Context::full(&runtime).map_err(failed)?;
        let engine = Self { context, end };
        for script in library {
            if let Err(error) = engine.prepare(script) {
                tracing::warn!("javascript: {error}");
            }
        }
        Ok(engine)
    }

    /// Runs a script whose functions and constants stay.
    fn prepare(&self, script: &str) -> Result<(), String> {
        self.within(|ctx| {
            let mut options = EvalOptions::default();
            options.strict = false;
            ctx.eval_with_options::<Value<'_>, _>(script, options).map(|_| Said::Nothing)
        })
        .map(|_| ())
    }

    /// What the last expression of a script says. Its `let` and `const` end with the run, so that
    /// it can run again.
    pub(super) fn run(&self, script: &str, variables: &[(String, Said)]) -> Result<Said, String> {
        self.within(|ctx| {
            let globals = ctx.globals();
            for (name, value) in variables {
                match value {
                    Said::Nothing => globals.set(&**name, ())?,
                    Said::Bool(truth) => globals.set(&**name, *truth)?,
                    Said::Number(number) => globals.set(&**name, *number)?,
                    Said::Text(text) => globals.set(&**name, &**text)?,
                }
            }
            let eval: Function<'_> = globals.get("eval")?;
            said(ctx, eval.call((script,))?)
        })
    }

    fn within(
        &self,
        work: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<Said>,
    ) -> Result<Said, String> {
        self.end.set(Instant::now() + TIME_MAX);
        self.context.with(|ctx| {
            work(&ctx).catch(&ctx).map_err(|error| {
                if Instant::now() >= self.end.get() {
                    return format!("js: takes longer than {TIME_MAX:?}");
                }
                let text = error.to_string();
                format!("js: {}", excerpt(text.lines().next().unwrap_or_default()))
            })
        })
    }
}

fn said<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Said> {
    if value.is_null() || value.is_undefined() {
        return Ok(Said::Nothing);
    }
    if let Some(truth) = value.as_bool() {
        return Ok(Said::Bool(truth));
    }
    if let Some(number) = value.as_number() {
        return Ok(Said::Number(number));
    }
    let Coerced(text) = rquickjs::FromJs::from_js(ctx, value)?;
    Ok(Said::Text(text))
}
