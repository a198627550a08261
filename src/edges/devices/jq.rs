//! jq programs on payloads: compiled once, run in our process, so bounded in steps and without loops of their own.

use std::cell::Cell;

use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, DataT, Exn, Filter, Lut, Native, Vars, native};
use jaq_json::Val;

/// A program that needs more turns of `range`, `repeat` and the like is stopped. Few enough that a
/// value that grows a level deeper with every turn can still be dropped on a thread's stack.
const MAX_STEPS: u32 = 2_000;

/// The generators that could run for ever, defined again so that every turn costs a step.
/// Recursion is otherwise impossible: programs may not define functions.
const BOUNDED: &str = r"
def native_range($from; $to; $by): range($from; $to; $by);
def range($from; $to; $by): native_range($from; $to; $by) | step;
def range($from; $to): range($from; $to; 1);
def range($to): range(0; $to; 1);
def repeat(f): def rec: step | f, rec; rec;
def recurse(f): def rec: step | ., (f | rec); rec;
def recurse: recurse(.[]?);
def recurse(f; cond): recurse(f | select(cond));
def while(cond; update): def rec: step | if cond then ., (update | rec) else empty end; rec;
def until(cond; update): def rec: step | if cond then . else update | rec end; rec;
def combinations($n): [limit($n; repeat(.))] | combinations;
";

/// Native functions that would make a value depend on more than the payload.
const WITHHELD: [&str; 2] = ["env", "now"];

/// A compiled program.
pub(super) struct Jq(Filter<Counted>);

impl Jq {
    /// Compiles a program.
    ///
    /// # Errors
    /// The first thing in the program that is not understood.
    pub(super) fn compile(program: &str) -> Result<Self, String> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if program.split(|c| !is_word(c)).any(|word| word == "def") {
            return Err("jq: `def` is not supported, write the expression out".to_owned());
        }
        let own = parse(BOUNDED, |parser| parser.defs()).unwrap_or_default();
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let arena = Arena::default();
        let file = File { code: program, path: () };
        let modules = Loader::new(defs.chain(own))
            .load(&arena, file)
            .map_err(|errors| format!("jq: cannot read the program: {errors:?}"))?;
        let funs = jaq_core::funs()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .filter(|(name, ..)| !WITHHELD.contains(name))
            .chain([("step", native::v(0), Native::<Counted>::new(step))]);
        Compiler::default().with_funs(funs).compile(modules).map(Self).map_err(|errors| {
            let unknown =
                errors.into_iter().flat_map(|(_, undefined)| undefined).map(|(name, _)| name);
            format!("jq: not defined: {}", unknown.collect::<Vec<_>>().join(", "))
        })
    }

    /// Runs the program on one JSON text; `None` stands for the result `null`.
    ///
    /// # Errors
    /// The text is not JSON, the program fails or needs too many steps, or it does not yield
    /// exactly one text, number or bool.
    pub(super) fn run(&self, json: &str) -> Result<Option<String>, String> {
        // serde_json limits the depth of what it reads; jaq's own reader does not.
        let input: Val =
            serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        let steps = Cell::new(MAX_STEPS);
        let run = Run { lut: &self.0.lut, steps: &steps };
        let mut results = self.0.id.run((Ctx::<Counted>::new(run, Vars::new([])), input));
        let first = results.next().ok_or("jq: no result")?.map_err(reason)?;
        if results.next().is_some() {
            return Err("jq: more than one result".to_owned());
        }
        match first {
            Val::Null => Ok(None),
            Val::TStr(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            number @ (Val::Bool(_) | Val::Num(_)) => Ok(Some(number.to_string())),
            Val::BStr(_) | Val::Arr(_) | Val::Obj(_) => {
                Err("jq: the result is not a text, number or bool; tostring helps".to_owned())
            }
        }
    }
}

/// Types of a run whose steps are counted.
struct Counted;

impl DataT for Counted {
    type V<'a> = Val;
    type Data<'a> = Run<'a>;
}

/// What the native functions of one run can see.
#[derive(Clone, Copy)]
struct Run<'a> {
    lut: &'a Lut<Counted>,
    steps: &'a Cell<u32>,
}

impl<'a> HasLut<'a, Counted> for Run<'a> {
    fn lut(&self) -> &'a Lut<Counted> {
        self.lut
    }
}

/// Passes its input on; halts the program when its steps are used up (`try` cannot catch that).
fn step<'a>((context, value): jaq_core::Cv<'a, Counted>) -> jaq_core::ValXs<'a, Val> {
    let steps = context.data().steps;
    let left = steps.get();
    steps.set(left.saturating_sub(1));
    box_once(if left == 0 { Err(Exn::halt(1)) } else { Ok(value) })
}

fn reason(exception: Exn<'_, Val>) -> String {
    match exception.get_err() {
        Ok(error) => format!("jq: {}", super::pipeline::excerpt(&error.to_string())),
        Err(_) => "jq: takes too many steps".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(program: &str, json: &str) -> Result<Option<String>, String> {
        Jq::compile(program)?.run(json)
    }

    #[test]
    fn programs_yield_one_scalar() {
        for (program, json, expected) in [
            (".a", r#"{"a": 1.5}"#, Some("1.5")),
            (".[0][1]", "[[1,2],[3,4]]", Some("2")),
            ("[.[] | select(. > 1)] | add", "[1,2,3]", Some("5")),
            (".a", "{}", None),
            (".a // 7", "{}", Some("7")),
            (".s", r#"{"s": "B"}"#, Some("B")),
            ("[range(3)] | length", "null", Some("3")),
            ("[limit(3; repeat(1))] | add", "null", Some("3")),
            ("[.. | numbers] | add", "[1,[2]]", Some("3")),
            (".on", r#"{"on": true}"#, Some("true")),
        ] {
            assert_eq!(eval(program, json), Ok(expected.map(str::to_owned)), "{program}");
        }
    }

    #[test]
    fn endless_programs_stop() {
        for program in [
            "last(repeat(1))",
            "[repeat(1)] | length",
            "last(range(1e15))",
            "reduce range(1e15) as $x (0; . + 1)",
            "0 | until(false; . + 1)",
            "last(0 | recurse(. + 1))",
            "last(0 | recurse(. + 1; true))",
            "last(0 | while(true; .))",
            "[1] | [combinations(100000000)] | length",
            "try last(repeat(1)) catch 1",
            "reduce range(1e15) as $x (0; [.])",
            "reduce repeat(1) as $x (0; {a: .})",
            "0 | until(false; [.])",
        ] {
            let result = eval(program, "null");
            assert_eq!(result, Err("jq: takes too many steps".to_owned()), "{program}");
        }
    }

    #[test]
    fn bad_programs_and_inputs_are_named() {
        for (program, json, part) in [
            ("def f: f; f", "1", "`def` is not supported"),
            (".a |", "1", "cannot read"),
            ("nonsense", "1", "not defined: nonsense"),
            ("env", "1", "not defined: env"),
            (".a", "[1]", "jq:"),
            (".a", "on", "not JSON"),
            (".[]", "[1,2]", "more than one"),
            ("empty", "1", "no result"),
            (".", "{}", "tostring"),
            (".", &"[".repeat(60_000), "not JSON"),
        ] {
            let error = eval(program, json).expect_err(program);
            assert!(error.contains(part), "{program}: {error}");
        }
    }

    #[test]
    fn a_program_may_move_between_threads() {
        fn send<T: Send + Sync>() {}
        send::<Jq>();
    }
}
