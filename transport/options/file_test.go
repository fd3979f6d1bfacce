package options

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parseFile parses a command line with a configuration file of this text.
func parseFile(t *testing.T, text string, arguments ...string) (*Flags, *kong.Context, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return parsePath(t, path, arguments...)
}

func parsePath(t *testing.T, path string, arguments ...string) (*Flags, *kong.Context, error) {
	t.Helper()
	var f Flags
	parser, err := kong.New(&f, kong.Vars(Vars()), kong.ExplicitGroups(Groups()), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(append([]string{"--config=" + path}, arguments...))
	return &f, ctx, f.Located(ctx, err)
}

const everyKind = `
# a comment
port = 8080
host = "127.0.0.1"
rate = 7
burst = 8
queue-limit = "3MiB"
allow-origin = ["https://a.test", "https://b.test"]
trusted-proxy = "10.0.0.0/8,127.0.0.1"
presence = false
resume-window = "20s"
log-level = "debug"
`

func TestAFileSetsOptionsOfEveryKind(t *testing.T) {
	f, _, err := parseFile(t, everyKind)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	o := f.Transport(nil, nil)
	if f.port() != 8080 || f.Host != "127.0.0.1" || o.Rate != 7 || f.QueueLimit != 3<<20 || f.Presence || f.ResumeWindow != 20*time.Second || f.LogLevel != "debug" {
		t.Errorf("the options are %+v", f)
	}
	if got := strings.Join(o.AllowedOrigins, " "); got != "https://a.test https://b.test" || len(o.TrustedProxies) != 2 {
		t.Errorf("the lists are %q and %v", got, o.TrustedProxies)
	}
}

func TestAFlagWinsOverItsVariableAndBothOverTheFile(t *testing.T) {
	t.Setenv("P2P_RATE", "71")
	t.Setenv("P2P_BURST", "72")
	f, _, err := parseFile(t, everyKind, "--burst=73")
	if err != nil {
		t.Fatal(err)
	}
	if f.Rate != 71 || f.Burst != 73 || f.Host != "127.0.0.1" {
		t.Errorf("rate %d, burst %d, host %q; want those of the variable, the flag and the file", f.Rate, f.Burst, f.Host)
	}
}

func TestAVariableNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte("rate = 9"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("P2P_CONFIG", path)
	var f Flags
	parser, err := kong.New(&f, kong.Vars(Vars()), kong.ExplicitGroups(Groups()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil || f.Rate != 9 {
		t.Errorf("the rate is %d, %v; want that of the file", f.Rate, err)
	}
}

func TestAFileThatCannotBeUsedIsRefusedInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"rat = 7":                         `there is no option "rat": did you mean "rate"?`,
		"allow_origin = 'https://a.test'": `there is no option "allow_origin": did you mean "allow-origin"?`,
		"zebra = 7":                       `there is no option "zebra"`,
		"[limits]\nrate = 7":              `there is no option "limits"`,
		"[rate]\na = 7":                   "rate must be a whole number",
		"rate = 'x'":                      "rate must be a whole number",
		"rate = 1.5":                      "rate must be a whole number",
		"rate = true":                     "rate must be a whole number",
		"presence = 'no'":                 "presence must be true or false",
		"allow-origin = 5":                "allow-origin must be a text in quotes, or a list of such",
		"allow-origin = ['a', 5]":         "allow-origin must be a text in quotes, or a list of such",
		"resume-window = 20":              `resume-window must be a time in quotes, such as "10s"`,
		"host = 7":                        "host must be a text in quotes",
		"port = 1979-05-27":               "port must be a number, or a text in quotes",
		"config = 'other.toml'":           `"config" cannot stand in the file itself`,
		"print-config = true":             `"print-config" cannot stand in the file itself`,
		"rate = ":                         "is no TOML: line 1: ",
		"rate = 7\nrate = 8":              "is no TOML: line 2: ",
		"\n\nhost = \"\xff\"":             "is no TOML: line 3: ",
		"port = 70000":                    `--port: "70000" is no port: give a number from 0 to 65535`,
		"log-level = 'loud'":              "--log-level must be one of",
		"write-timeout = 'abc'":           "--write-timeout: ",
		"#" + strings.Repeat("a", 2<<20):  "is larger than 1 MiB",
	} {
		_, _, err := parseFile(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: %v; want one line with %q", text, err, want)
		}
	}
}

// Whoever has written a file looks for the fault in it.
func TestAFaultInAFileIsNamedByKeyAndLine(t *testing.T) {
	t.Setenv("P2P_IDLE_TIMEOUT", "10s")
	t.Setenv("P2P_HOST", "http://chat.example.org")
	for text, want := range map[string]string{
		// What kong refuses, or the file's own checks.
		"\n# a comment\nport = 70000":                           `--port: "70000" is no port: give a number from 0 to 65535 (port in FILE: line 3)`,
		"rate = 5\n\nlog-level = 'loud'\n":                      "(log-level in FILE: line 3)",
		"'write-timeout' = 'abc'":                               "(write-timeout in FILE: line 1)",
		"trusted-proxy = [\n'10.0.0.1',\n]\n queue-limit = 'x'": "(queue-limit in FILE: line 4)",
		"rate = 5\nzebra = 7":                                   `FILE: line 2: there is no option "zebra"`,
		"\n\n[limits]\nrate = 7":                                `FILE: line 3: there is no option "limits"`,
		"rate = 5\n\tburst = 'x'":                               "FILE: line 2: burst must be a whole number",
		"rate = 5\nconfig = 'x'":                                `FILE: line 2: "config" cannot stand in the file itself`,
		"rate.a = 5":                                            "FILE: line 1: rate must be a whole number",
		// A line of a text that only looks like a key.
		"domain = \"\"\"\nrate = 5\n\"\"\"\nrate = 'x'": "FILE: line 4: rate must be a whole number",
		// What Check refuses.
		"rate = 5\nresume-window = '2h'":                    "(resume-window in FILE: line 2)",
		"proxy-protocol = true":                             "(proxy-protocol in FILE: line 1)",
		"\nacme-email = 'x'\ndomain = ['chat.example.org']": "(acme-email in FILE: line 2)",
		"tls-cert = 'a'\ndomain = ['chat.example.org']":     "(domain in FILE: line 2; tls-cert in FILE: line 1)",
		"byte-rate = '5MiB'\nrate = 0":                      "(byte-rate in FILE: line 1; rate in FILE: line 2)",
		"allow-origin = [\n'https://a.test',\n'a.test',\n]": "(allow-origin in FILE: line 1)",
		// Both sources of one fault.
		"ping-interval = '20s'": "--idle-timeout and --ping-interval: the idle timeout (10s) must be longer than the ping interval (20s), or every quiet client is cut off (P2P_IDLE_TIMEOUT in the environment; ping-interval in FILE: line 1)",
		"rate = 5":              "(P2P_HOST in the environment)",
	} {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var given []string
		if want != "(P2P_HOST in the environment)" {
			given = []string{"--host", "127.0.0.1"}
		}
		if !strings.Contains(text, "ping-interval") {
			given = append(given, "--idle-timeout", "1m")
		}
		f, ctx, err := parsePath(t, path, given...)
		if err == nil {
			err = f.Located(ctx, f.Check())
		}
		if want := strings.ReplaceAll(want, "FILE", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n%v; want\n%s", text, err, want)
		}
	}
}

// What the command line has wrong is not looked for in a file.
func TestAFaultOfTheCommandLineIsNotTheFiles(t *testing.T) {
	f, ctx, err := parseFile(t, "resume-window = '20s'\nrate = 5", "--resume-window=2h")
	if err == nil {
		err = f.Located(ctx, f.Check())
	}
	if err == nil || strings.Contains(err.Error(), "config.toml") {
		t.Errorf("the error is %v", err)
	}
	if err := f.Located(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestARefusalOfTheServerNamesTheFlag(t *testing.T) {
	for _, given := range []string{
		"--write-timeout=1us", "--message-timeout=1us", "--ping-interval=1us", "--idle-timeout=1us", "--retry-spread=1us", "--handshake-timeout=1us", "--login-timeout=1us",
		"--idle-timeout=10s", "--rate=-1", "--burst=-1", "--byte-rate=5", "--max-connections=-1", "--connections-per-address=-1", "--logins-per-address=-1", "--allow-origin=x",
	} {
		f, _, err := parsePath(t, "", given)
		if err == nil {
			err = f.Check()
		}
		name, _, _ := strings.Cut(given, "=")
		if err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", given, err)
		}
	}
}

func TestWhatIsPrintedSaysWhereItComesFromAndCanBeReadAgain(t *testing.T) {
	t.Setenv("P2P_BURST", "72")
	t.Setenv("P2P_TURN_SECRET", "very secret")
	f, ctx, err := parseFile(t, everyKind+"ice-server-secret = 'very secret'\n", "--idle-timeout=70s", `--tls-key=a "b" \c`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Print(&out, ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nport = 8080 # from the file\n", "\nrate = 7 # from the file\n", "\nburst = 72 # from the variable P2P_BURST\n",
		"\nidle-timeout = \"1m10s\" # from the command line\n", "\n# write-timeout = \"10s\"\n", "\n# Limits\n",
		"\nallow-origin = [\"https://a.test\", \"https://b.test\"] # from the file\n", "\ntls-key = \"a \\\"b\\\" \\\\c\" # from the command line\n",
		"\n# turn-secret is hidden; it comes from the variable P2P_TURN_SECRET\n", "\n# ice-server-secret is hidden; it comes from the file\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q", want)
		}
	}
	if strings.Contains(out.String(), "very secret") {
		t.Error("it prints a secret")
	}
	again, _, err := parseFile(t, out.String())
	if err != nil {
		t.Fatal(err)
	}
	again.Config, again.TurnSecret, again.IceServerSecret = f.Config, f.TurnSecret, f.IceServerSecret
	if got, want := again.Transport(nil, nil), f.Transport(nil, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("read again the options are\n%+v\nwant\n%+v", got, want)
	}
}

func TestSecretsInURLsAreNotPrinted(t *testing.T) {
	for _, given := range []string{
		"--auth-url=https://service:hunter2@id.test/tokens", "--auth-url=https://hunter2@id.test", "--auth-url=https://id.test/tokens?key=hunter2",
		"--auth-jwt-jwks=https://service:hunter2@id.test/keys", "--auth-jwt-jwks=http://service:hunter2%zz@id.test/keys",
		"--acme-directory=https://service:hunter2@ca.test/directory",
	} {
		f, ctx, err := parseFile(t, "", given)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := f.Print(&out, ctx); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(given, "--"), "=")
		if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "\n# "+name+" is hidden; it comes from the command line\n") {
			t.Errorf("%s: the secret is printed, or it is not said that it is hidden", given)
		}
	}
	f, ctx, err := parseFile(t, "", "--auth-url=https://id.test/tokens")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Print(&out, ctx); err != nil || !strings.Contains(out.String(), `auth-url = "https://id.test/tokens"`) {
		t.Errorf("a URL without a secret is hidden, or %v", err)
	}
}

// A secret that nobody marked would be printed. Each flag with such a name has the tag, or names a file.
func TestSecretsAreMarked(t *testing.T) {
	for field := range reflect.TypeFor[Flags]().Fields() {
		name := strings.ToLower(field.Name)
		_, marked := field.Tag.Lookup("secret")
		if isSecret := strings.HasSuffix(name, "secret") || strings.HasSuffix(name, "token") || strings.HasSuffix(name, "password"); isSecret && !marked && field.Tag.Get("placeholder") != "FILE" {
			t.Errorf("%s looks like a secret: give it the tag secret, so that it is not printed", field.Name)
		}
	}
}
