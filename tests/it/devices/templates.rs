//! Payload templates (plans-vehicles-devices.md §7.3, E-81 to E-83).

use chargebus::edges::devices::{Scalar, Template};

use Scalar::{Bool, Float, Int};

#[test]
fn values_are_written_as_the_template_says() {
    for (payload, name, value, expected) in [
        ("${foo}", "foo", Bool(true), "true"),
        ("${Foo}", "foo", Bool(true), "true"),
        ("${foo:%.2f}", "foo", Float(std::f64::consts::PI), "3.14"),
        ("${foo:%.0f}%", "foo", Float(std::f64::consts::PI), "3%"),
        ("${enable:%d}", "enable", Bool(true), "1"),
        ("${enable:%d}", "enable", Bool(false), "0"),
        ("${maxcurrent:%d}", "maxcurrent", Int(16), "16"),
        ("${maxcurrent:%03d}", "maxcurrent", Int(16), "016"),
        ("${maxcurrent:%5d}", "maxcurrent", Int(16), "   16"),
        ("${maxcurrent:%s} A", "maxcurrent", Int(16), "16 A"),
        ("${maxcurrentmillis}", "maxcurrentmillis", Float(6.1), "6.1"),
        ("${maxcurrentmillis}", "maxcurrentmillis", Float(16.0), "16"),
        ("${maxcurrentmillis:%dm}", "maxcurrentmillis", Float(6.1), "6100"),
        ("${maxcurrentmillis:%.0fm}", "maxcurrentmillis", Float(10.25), "10250"),
        ("${maxcurrentmillis:%.3fk}", "maxcurrentmillis", Float(10.0), "0.010"),
        ("${maxcurrentmillis:%d}", "maxcurrentmillis", Float(15.9), "15"),
        (r#"{"cmd":{"I":${maxcurrent}}}"#, "maxcurrent", Int(6), r#"{"cmd":{"I":6}}"#),
        ("${batteryMode}/${batterymode:%02d}", "batterymode", Int(3), "3/03"),
        ("on", "enable", Bool(false), "on"),
        ("$5", "enable", Bool(false), "$5"),
    ] {
        let template = Template::compile(payload, name).expect(payload);
        assert_eq!(template.render(value), expected, "{payload} {value:?}");
    }
}

#[test]
fn templates_that_cannot_work_do_not_compile() {
    for (payload, part) in [
        ("${missing}", "unknown ${missing}, expected ${enable}"),
        ("${enable", "without `}`"),
        ("${enable:d}", "format"),
        ("${enable:%x}", "format"),
        ("${enable:%}", "format"),
        ("${enable:%999999999999999999999d}", "format"),
        ("${enable:%.99f}", "format"),
        ("{{.enable}}", "not supported"),
    ] {
        let error = Template::compile(payload, "enable").expect_err(payload);
        assert!(error.contains(part), "{payload}: {error}");
    }
}
