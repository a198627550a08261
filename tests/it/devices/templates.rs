//! Payload templates (plans-vehicles-devices.md §7.3, W-49).

use chargebus::edges::devices::{Scalar, Template};

use Scalar::{Bool, Float, Int};

#[test]
fn values_are_written_as_the_template_says() {
    for (payload, name, value, expected) in [
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
        // The part of Go's templates that people write (W-49).
        ("a{{.enable}}b", "enable", Bool(true), "atrueb"),
        ("{{ .Enable }}", "enable", Bool(false), "false"),
        ("turn={{if .enable}}on{{else}}off{{end}}", "enable", Bool(true), "turn=on"),
        ("turn={{ if .enable -}}on{{- else }}off{{ end }}!", "enable", Bool(false), "turn=off!"),
        ("{{if .enable}}on{{end}}", "enable", Bool(false), ""),
        ("{{if .maxcurrent}}${maxcurrent:%03d}{{end}}", "maxcurrent", Int(6), "006"),
        ("{{printf \"%.1f\" .maxcurrent}}", "maxcurrent", Int(6), "6.0"),
    ] {
        let template = Template::compile(payload, name).expect(payload);
        assert_eq!(template.render(value), expected, "{payload} {value:?}");
    }
}

#[test]
fn templates_that_cannot_work_do_not_compile() {
    for (payload, part) in [
        ("${missing}", "knows only ${enable}, found ${missing}"),
        ("${enable", "without \"}\""),
        ("{{.enable", "without \"}}\""),
        ("${enable:d}", "format"),
        ("${enable:%x}", "format"),
        ("${enable:%}", "format"),
        ("${enable:%999999999999999999999d}", "format"),
        ("${enable:%.99f}", "format"),
        ("{{.other}}", "does not understand {{.other}}: write ${enable}"),
        ("{{enable}}", "does not understand {{enable}}"),
        ("{{if .enable}}a", "{{if}} without {{end}}"),
        ("{{if .enable}}a{{else}}b{{else}}c{{end}}", "{{if}} without {{end}}"),
        ("{{if .enable}}{{if .enable}}{{end}}{{end}}", "{{if}} in an {{if}}"),
        ("a{{end}}", "without {{if}}"),
        ("{{printf .enable}}", "does not understand"),
        ("{{printf \"%x\" .enable}}", "format"),
        ("{{range .enable}}", "does not understand"),
    ] {
        let error = Template::compile(payload, "enable").expect_err(payload);
        assert!(error.contains(part), "{payload}: {error}");
    }
}
