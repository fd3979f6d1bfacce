package loadtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/internal/services"
)

// ran is what a run of the program left behind.
type ran struct {
	stdout, stderr string
	status         int
}

// program builds the program. go run takes it from the go command's cache, where go build would link it again. It returns a function that makes a command of it.
func program(t *testing.T) func(arguments ...string) *exec.Cmd {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "p2p-messaging")
	if output, err := exec.Command("go", "run", "-exec", "cp", "p2p-messaging", binary).CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v: %s", err, output)
	}
	return func(arguments ...string) *exec.Cmd {
		c := exec.Command(binary, append([]string{"loadtest"}, arguments...)...)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "PORT=") && !strings.HasPrefix(v, "P2P_") {
				c.Env = append(c.Env, v)
			}
		}
		return c
	}
}

// finish runs a command to its end.
func finish(t *testing.T, c *exec.Cmd) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	timeout := time.AfterFunc(services.Patience, func() { _ = c.Process.Kill() })
	defer timeout.Stop()
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run the program: %v", err)
	}
	return ran{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// wantLine checks that the program ended with this status, and that the last line on stderr contains these words.
func (r ran) wantLine(t *testing.T, status int, words ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("the status is %d; wanted %d. stdout %q, stderr %q", r.status, status, r.stdout, r.stderr)
	}
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "p2p-messaging: ") {
		t.Errorf("stderr ends with %q; wanted a line with the program's name", last)
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			t.Errorf("stderr ends with %q; wanted it to contain %q", last, word)
		}
	}
}

// wantNothingElse checks that the program wrote only this line.
func (r ran) wantNothingElse(t *testing.T) {
	t.Helper()
	if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("stdout is %q and stderr is %q; wanted nothing, and one line", r.stdout, r.stderr)
	}
}

// figuresOf parses the JSON that the program printed.
func (r ran) figuresOf(t *testing.T) (d struct {
	Interrupted bool
	Failed      string
	Counters    map[string]int64
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		t.Errorf("stdout is %q: %v; wanted the figures as JSON", r.stdout, err)
	}
	return d
}

func TestTheProgram(t *testing.T) {
	command := program(t)
	t.Run("says in one line what cannot be", func(t *testing.T) { programRefuses(t, command) })
	t.Run("says in one line that there is no service of the protocol", func(t *testing.T) {
		for _, c := range services.Strangers() {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				r := finish(t, command("--url", c.Serve(t)))
				r.wantLine(t, 2, "no service to test at ws://127.0.0.1:", c.Want)
				r.wantNothingElse(t)
			})
		}
	})
	t.Run("looks at PORT for the service", func(t *testing.T) {
		t.Parallel()
		_, port, _ := strings.Cut(strings.TrimSuffix(services.ClosedPort(t), "/ws"), "127.0.0.1:")
		c := command()
		c.Env = append(c.Env, "PORT="+port)
		r := finish(t, c)
		r.wantLine(t, 2, "ws://localhost:"+port+"/ws", "nothing listens there")
		r.wantNothingElse(t)
	})
	t.Run("prints the figures so far when the service dies", func(t *testing.T) {
		t.Parallel()
		s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
			s.Rules.Relay = func([]byte) bool {
				if s.Counted.Taken == 500 {
					s.Serving.Go(s.Vanish)
				}
				return true
			}
		})
		r := finish(t, command("relay", "--url", s.URL, "--pairs=3", "--warmup=0s", "--duration=1h", "--json", "--quiet"))
		r.wantLine(t, 2, "went away")
		if d := r.figuresOf(t); d.Failed == "" || d.Counters["relays_delivered"] < 100 {
			t.Errorf("the figures are %+v; wanted those of the time until then, and why they end", d)
		}
	})
	t.Run("ends with status 1 where a check does not hold", func(t *testing.T) {
		t.Parallel()
		s := services.NewRelay(t, services.Refuses, 10, 1<<30)
		arguments := []string{"--url", s.URL, "--pairs=2", "--window=4", "--warmup=0s", "--duration=200ms", "--quiet"}
		finish(t, command(append(arguments, "--check=errors=0")...)).wantLine(t, 1, "errors=0")
		if r := finish(t, command(append(arguments, "--check=errors>0,loss=0,relays_delivered>1")...)); r.status != 0 || r.stderr != "" || r.stdout == "" {
			t.Errorf("%+v; wanted status 0 and the figures where all checks hold", r)
		}
	})
	t.Run("ends with status 1 where a service cheats", func(t *testing.T) {
		t.Parallel()
		s := services.NewRelay(t, services.Duplicates, 10, 1<<30)
		arguments := []string{"--url", s.URL, "--pairs=2", "--warmup=0s", "--duration=200ms", "--quiet"}
		finish(t, command(arguments...)).wantLine(t, 1, "duplicated")
		if r := finish(t, command(append(arguments, "--no-verify")...)); r.status != 0 {
			t.Errorf("%+v; wanted status 0 without verification", r)
		}
	})
	t.Run("prints the figures so far after Ctrl-C", func(t *testing.T) { t.Parallel(); programInterrupted(t, command) })
	t.Run("calls", func(t *testing.T) {
		t.Parallel()
		r := finish(t, command("call", "--url", services.Serve(t), "--pairs=2", "--messages=2", "--warmup=0s", "--duration=100ms", "--json", "--quiet",
			"--check=call_success=100%,errors=0,calls_connected>=2"))
		if d := r.figuresOf(t); r.status != 0 || r.stderr != "" || d.Counters["calls_connected"] < 2 {
			t.Errorf("status %d, stderr %q, figures %+v; wanted status 0 and two calls at least", r.status, r.stderr, d)
		}
	})
}

func programRefuses(t *testing.T, command func(...string) *exec.Cmd) {
	for _, c := range []struct {
		arguments string
		want      []string
	}{
		{"rleay", []string{"rleay", "relay"}},
		{"relay relay", []string{"relay", "twice"}},
		{"--url=localhost:7777", []string{"--url", "ws://"}},
		{"--url=http://localhost:7777", []string{"--url", "ws://localhost:7777"}},
		{"--url=ws://", []string{"--url", "no host"}},
		{"--url=ws://localhost:99999/ws", []string{"--url", "99999"}},
		{"--url=ws://localhost:0/ws", []string{"--url"}},
		{"--url=ws://%zz/", []string{"--url"}},
		{"--pairs=0", []string{"--pairs", `"0"`}},
		{"--pairs=-1", []string{"--pairs", `"-1"`}},
		{"--pairs=many", []string{"--pairs", "many"}},
		{"--pairs=99999999999999999999", []string{"--pairs"}},
		{"--window=5 --relays-per-second=10", []string{"--window", "--relays-per-second"}},
		{"--arrivals=poisson", []string{"--arrivals", "--relays-per-second"}},
		{"--arrivals=never --relays-per-second=10", []string{"--arrivals", "never"}},
		{"--relays-per-second=0", []string{"--relays-per-second"}},
		{"--relays-per-second=NaN", []string{"--relays-per-second", "NaN"}},
		{"--rate=-5", []string{"--rate", "-5"}},
		{"--sessions=10", []string{"--sessions", "idle"}},
		{"idle --pairs=3", []string{"--pairs", "relay"}},
		{"idle --no-verify", []string{"--no-verify", "relay, storm, slow"}},
		{"idle --messages=3", []string{"--messages", "call"}},
		{"--size=10", []string{"--size", "10"}},
		{"--size=70000", []string{"--size", "70000"}},
		{"--duration=0s", []string{"--duration"}},
		{"--duration=-1s", []string{"--duration"}},
		{"--duration=10", []string{"--duration", "unit"}},
		{"--processes=5 --pairs=1", []string{"--processes", "5"}},
		{"slow --slow-readers=200", []string{"--slow-readers", "200"}},
		{"slow --slow-readers=2 --slow-share=0.5", []string{"--slow-readers", "--slow-share"}},
		{"slow --slow-share=1.5", []string{"--slow-share", "1.5"}},
		{"--check=p99", []string{"--check", "p99"}},
		{"--check=speed>3", []string{"--check", "speed", "p99"}},
		{"--check=p99<50", []string{"--check", "50", "unit"}},
		{"--check=errors=none", []string{"--check", "none"}},
		{"--report=/nowhere/report.html", []string{"--report", "/nowhere"}},
		{"--unknown", []string{"--unknown"}},
	} {
		t.Run(c.arguments, func(t *testing.T) {
			t.Parallel()
			// If the program accepts the arguments, it still ends: nothing listens on this port.
			program := command(strings.Fields(c.arguments)...)
			program.Env = append(program.Env, "PORT=1")
			r := finish(t, program)
			r.wantLine(t, 2, c.want...)
			r.wantNothingElse(t)
		})
	}
}

func programInterrupted(t *testing.T, command func(...string) *exec.Cmd) {
	c := command("relay", "--url", services.Serve(t), "--pairs=2", "--warmup=0s", "--duration=1h", "--json")
	progress, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(services.Patience, func() { _ = c.Process.Kill() })
	defer timeout.Stop()
	lines := bufio.NewScanner(io.TeeReader(progress, &stderr))
	for sent := false; lines.Scan(); {
		if !sent && strings.Contains(lines.Text(), "measuring") {
			sent = true
			if err := c.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := ran{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
	r.wantLine(t, 130, "interrupted")
	d := r.figuresOf(t)
	if !d.Interrupted || d.Failed != "" || d.Counters["relays_delivered"] == 0 || d.Counters["relays_delivered"] != d.Counters["relays_sent"] {
		t.Errorf("the figures are %s; wanted those of the time until then", fmt.Sprintf("%+v", d))
	}
}
