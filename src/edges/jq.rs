//! `/api/state?jq=`: a jq program can run for ever or eat all memory, so it runs in a process of its
//! own, with limits that the system enforces.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Longer programs are refused; the longest known one of a client has 700 characters.
const MAX_PROGRAM: usize = 4096;
/// Programs at a time; more wait.
const AT_ONCE: usize = 2;
/// From the request to the answer, waiting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Address space of the process.
#[cfg(unix)]
const MEMORY: u64 = 512 << 20;
/// Longer results are refused; the whole state is smaller.
const MAX_RESULT: usize = 4 << 20;
/// How much of an error is told.
const MAX_MESSAGE: usize = 300;

/// Filters of jq that the library does not have.
const PRELUDE: &str = "def IN(s): any(s == .; .); def IN(f; s): any(f == s; .); ";

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Runs `program` on `state` by calling `exe jq PROGRAM`; answers its only result.
///
/// # Errors
/// What is wrong with the program, for the client.
pub(super) async fn ask(exe: &Path, program: &str, state: &str) -> Result<String, String> {
    if program.len() > MAX_PROGRAM {
        return Err(format!("the program is longer than {MAX_PROGRAM} bytes"));
    }
    if let Some(found) = looked_up(program, state) {
        return Ok(found);
    }
    let turn = async {
        let _turn = TURNS.acquire().await.map_err(|_| "closed".to_owned())?;
        run(exe, program, state).await
    };
    let late = || Err("the program takes too long".to_owned());
    timeout(ANSWER_WITHIN, turn).await.unwrap_or_else(|_| late())
}

async fn run(exe: &Path, program: &str, state: &str) -> Result<String, String> {
    let mut child = Command::new(exe)
        .args(["jq", program])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("jq is not available: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that cannot be parsed ends before it has read everything.
        let _ = stdin.write_all(state.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    let (result, message) = (text(output.stdout), text(output.stderr));
    match output.status.code() {
        Some(0) if !result.is_empty() => Ok(result),
        // `halt` ends the process.
        Some(_) if message.is_empty() => Err("the program ended without a result".to_owned()),
        Some(_) => Err(message),
        None => Err("the program needs too much memory".to_owned()),
    }
}

/// The process behind `?jq=`: reads JSON from standard input, writes the result to standard output.
pub fn main(program: &str) -> ExitCode {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
        // Where it cannot be limited the time limit still holds.
        let _ = setrlimit(Resource::As, limit);
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = setrlimit(Resource::Core, none);
    }
    // Where a panic was is nobody's business.
    std::panic::set_hook(Box::new(|_| ()));
    let mut input = Vec::new();
    let result = match std::io::stdin().read_to_end(&mut input) {
        Ok(_) => evaluate(program, &input),
        Err(error) => Err(error.to_string()),
    };
    let written = match &result {
        Ok(result) => std::io::stdout().write_all(result.as_bytes()),
        Err(message) => {
            let message: String = message.chars().take(MAX_MESSAGE).collect();
            std::io::stderr().write_all(message.as_bytes())
        }
    };
    match (result, written) {
        (Ok(_), Ok(())) => ExitCode::SUCCESS,
        (Ok(_) | Err(_), _) => ExitCode::FAILURE,
    }
}

/// The only result of `program` on the JSON text `input`.
fn evaluate(program: &str, input: &[u8]) -> Result<String, String> {
    let input = read::parse_single(input).map_err(|error| error.to_string())?;
    let program = format!("{PRELUDE}{}", without_wrapper(program));
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(&arena, File { code: &program, path: () })
        .and_then(|modules| {
            load::import(&modules, |_| Err("there are no files".to_owned())).map(|()| modules)
        })
        .map_err(|errors| errors.iter().map(|(_, error)| syntax(error)).collect::<String>())?;
    let filter =
        jaq_core::Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let unknown = errors.iter().flat_map(|(_, unknown)| unknown);
            let names: Vec<_> =
                unknown.map(|(name, kind)| format!("{} {name}", kind.as_str())).collect();
            format!("not defined: {}", names.join(", "))
        })?;
    let ctx = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut results = filter.id.run((ctx, input)).map(unwrap_valr);
    match (results.next(), results.next()) {
        (Some(Ok(result)), None) => match result.to_string() {
            long if long.len() > MAX_RESULT => {
                Err(format!("the result is longer than {MAX_RESULT} bytes"))
            }
            result => finite(result),
        },
        (Some(Err(error)), _) | (Some(Ok(_)), Some(Err(error))) => Err(error.to_string()),
        (None, _) => Err("the program has no result".to_owned()),
        (Some(Ok(_)), Some(Ok(_))) => Err("the program has more than one result".to_owned()),
    }
}

/// evcc's jq refuses to divide by zero, ours makes `NaN` or `Infinity` of it, which is no JSON.
fn finite(result: String) -> Result<String, String> {
    match serde_json::from_str::<IgnoredAny>(&result) {
        Ok(_) => Ok(result),
        Err(_) => Err("a number is not finite: is something divided by zero?".to_owned()),
    }
}

/// What a program that only names a place finds there: many clients ask for one number at a time, and
/// often. `None` if it takes jq to say it: for any other program, for what is no plain value, and for
/// errors.
fn looked_up(program: &str, state: &str) -> Option<String> {
    let program = without_wrapper(program);
    let places = places(&program)?;
    let state: Json = serde_json::from_str(state).ok()?;
    let mut here = &state;
    for place in places {
        here = match (place, here) {
            (Place::Member(name), Json::Object(members)) => members.get(name)?,
            (Place::Item(number), Json::Array(items)) => items.get(number)?,
            _ => return None,
        };
    }
    let text = match here {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => here.to_string(),
        Json::Array(_) | Json::Object(_) => return None,
    };
    // jq has another spelling for very small and very large numbers.
    let odd = here.is_number() && text.contains('e');
    (!odd).then_some(text)
}

/// A step of `.a.b[0].c`.
enum Place<'a> {
    Member(&'a str),
    Item(usize),
}

/// The steps of a program that has nothing but steps.
fn places(program: &str) -> Option<Vec<Place<'_>>> {
    let mut places = Vec::new();
    let mut rest = program;
    while !rest.is_empty() {
        let (place, behind) = match rest.strip_prefix('.') {
            Some(named) => {
                let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, behind) = named.split_at(end.unwrap_or(named.len()));
                let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                (begins.then_some(Place::Member(name))?, behind)
            }
            None => {
                let (number, behind) = rest.strip_prefix('[')?.split_once(']')?;
                let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
                (digits.then(|| number.parse().ok()).flatten().map(Place::Item)?, behind)
            }
        };
        places.push(place);
        rest = behind;
    }
    (program.starts_with('.') && !places.is_empty()).then_some(places)
}

/// Old clients expect the state under `.result` (api.md §3.7).
fn without_wrapper(program: &str) -> String {
    let program = program.trim();
    match program.strip_prefix(".result") {
        Some(rest) if rest.starts_with('.') => rest.to_owned(),
        Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
            format!(".{rest}")
        }
        Some(_) | None => program.to_owned(),
    }
}

fn syntax(error: &load::Error<&str>) -> String {
    let near = |found: &str| match found.is_empty() {
        true => "at the end".to_owned(),
        false => format!("at {found}"),
    };
    match error {
        load::Error::Io(_) => "modules are not available".to_owned(),
        load::Error::Lex(errors) => errors.first().map_or_else(String::new, |(expected, found)| {
            format!("expected {} {}", expected.as_str(), near(found))
        }),
        load::Error::Parse(errors) => {
            errors.first().map_or_else(String::new, |(expected, found)| {
                format!("expected {} {}", expected.as_str(), near(found))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &[u8] =
        br#"{"siteTitle":"Home","gridPower":-0.5,"loadpoints":[{"mode":"pv","plan":null}]}"#;

    #[test]
    fn programs_of_clients_run() {
        let cases = [
            (".siteTitle", r#""Home""#),
            (".gridPower", "-0.5"),
            (".result.loadpoints[0].mode", r#""pv""#),
            (
                ".result",
                r#"{"siteTitle":"Home","gridPower":-0.5,"loadpoints":[{"mode":"pv","plan":null}]}"#,
            ),
            (".result|.siteTitle", r#""Home""#),
            (".loadpoints|map(.mode)", r#"["pv"]"#),
            (".results", "null"),
            (".loadpoints[0].mode|IN(\"pv\",\"now\")", "true"),
            (".forecast.co2", "null"),
            (
                r#"{result:{loadpoints:[.loadpoints[]|{mode,plan}],grid:(.grid.power//.gridPower)}}|walk(if type=="object" then with_entries(select(.value!=null)) else . end)"#,
                r#"{"result":{"loadpoints":[{"mode":"pv"}],"grid":-0.5}}"#,
            ),
        ];
        for (program, result) in cases {
            assert_eq!(evaluate(program, STATE).as_deref(), Ok(result), "{program}");
        }
    }

    #[test]
    fn places_are_found_without_jq_as_jq_finds_them() {
        let state =
            br#"{"a":{"b_1":[{"c":-0.05},{"c":"\u00e4\"\n"},{"c":true},{"c":null}]},"end":6.0}"#;
        let text = std::str::from_utf8(state).unwrap();
        for program in
            [".a.b_1[0].c", ".a.b_1[1].c", ".a.b_1[2].c", ".a.b_1[3].c", " .result.end ", ".end"]
        {
            let found = looked_up(program, text);
            assert!(found.is_some(), "{program}");
            assert_eq!(found, evaluate(program, state).ok(), "{program}");
        }
        for program in [
            "",
            ".",
            ".a",
            ".a.b_1",
            ".a.b_1[0]",
            ".a.b_1[9]",
            ".a.b_1[]",
            ".a.b_1[-1]",
            ".nosuch",
            ".a.b_1.c",
            ".[0]",
            ".a.",
            "a",
            ".a|.b",
            ".a .b",
            ".a[\"b_1\"]",
            "..",
            ".0",
            ".end+1",
        ] {
            assert_eq!(looked_up(program, text), None, "{program}");
        }
        let odd = r#"{"a":1e-7,"b":1e300}"#;
        assert_eq!((looked_up(".a", odd), looked_up(".b", odd)), (None, None));
    }

    #[test]
    fn what_is_not_one_result_is_an_error() {
        for program in [
            ".[",
            "(((",
            "nosuch",
            "$x",
            ".[]",
            "empty",
            ".siteTitle.x",
            "error",
            "\"\\a\"",
            "",
            "include \"x\"; .",
            "import \"x\" as x; .",
            "import \"/etc/passwd\" as $x; $x",
            "1/0",
            "{share:(0/0)}",
            "infinite",
        ] {
            assert!(evaluate(program, STATE).is_err(), "{program}");
        }
    }

    #[test]
    fn a_result_that_would_fill_our_memory_is_an_error() {
        let long = evaluate("\"long\" * 2000000", STATE);
        assert_eq!(long, Err("the result is longer than 4194304 bytes".to_owned()));
    }
}
