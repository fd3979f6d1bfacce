package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// service is a service to compare.
type service struct {
	name    string
	dialect string
	command []string
	secure  []string // arguments that follow the command for TLS
	token   string   // that each login brings; empty: none
	metrics string   // URL of the metrics, which are read meanwhile; empty: none
}

func serviceNames() []string {
	return []string{"ours", "full", "floor", "bun", "unchecked", "batched", "ours-peerjs", "peerjs"}
}

var (
	//go:embed bun.js
	bunScript []byte
	//go:embed peerjs.mjs
	peerScript []byte
)

// prepare returns the chosen services that are installed, and the versions of what they run on.
func (o *options) prepare(ctx context.Context, scratch string, stderr io.Writer) (services []service, versions map[string]string, err error) {
	versions = map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	pair, err := newCertificate(scratch)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	o.trusted = pair.chain
	var missing []string
	for _, name := range serviceNames() {
		if !chosen(o.Only, name) {
			continue
		}
		s := service{name: name, dialect: dialectJSON, secure: []string{pair.chain, pair.key}}
		switch name {
		case "ours", "full", "ours-peerjs":
			program := o.Ours
			if program == "" {
				fmt.Fprintln(stderr, "building this project's service")
				program = filepath.Join(scratch, "p2p-messaging")
				if err := build(ctx, program); err != nil {
					return nil, nil, err
				}
				o.Ours = program
			}
			s.secure = []string{"--tls-cert", pair.chain, "--tls-key", pair.key}
			if name == "full" {
				if s, err = fully(s, program, scratch); err != nil {
					return nil, nil, err
				}
				break
			}
			s.command = []string{program, "serve", "--host", "127.0.0.1", "--port", "0", "--rate", "0", "--log-level", "error"}
			if name == "ours-peerjs" {
				s.dialect = dialectPeerJS
				s.command = append(s.command, "--peerjs", "--peerjs-concurrent-limit", "1000000")
			}
		case "floor":
			versions["gws"] = dependency("github.com/lxzan/gws")
			s.command = []string{self, floorCommand}
		case "bun", "unchecked", "batched":
			program := filepath.Join(o.Tools, "node_modules", ".bin", "bun")
			if versions["bun"] = o.installed("bun"); versions["bun"] == "" {
				if !slices.Contains(missing, "bun") {
					missing = append(missing, "bun")
				}
				delete(versions, "bun")
				continue
			}
			script := filepath.Join(scratch, "bun.js")
			if err := os.WriteFile(script, bunScript, 0o600); err != nil {
				return nil, nil, err
			}
			s.command = []string{program, script, name}
		case "peerjs":
			node, missingNode := exec.LookPath("node")
			if versions["peer"] = o.installed("peer"); versions["peer"] == "" || missingNode != nil {
				missing = append(missing, "peer")
				delete(versions, "peer")
				continue
			}
			if v, err := exec.CommandContext(ctx, node, "--version").Output(); err == nil {
				versions["node"] = strings.TrimPrefix(strings.TrimSpace(string(v)), "v")
			}
			script := filepath.Join(scratch, "peerjs.mjs")
			if err := os.WriteFile(script, peerScript, 0o600); err != nil {
				return nil, nil, err
			}
			s.dialect = dialectPeerJS
			s.command = []string{node, script, filepath.Join(o.Tools, "node_modules", "peer", "dist", "module.mjs")}
		}
		services = append(services, s)
	}
	if len(missing) > 0 {
		fmt.Fprintf(stderr, "not installed in %s, and left out: %s; to have it compared, with Node installed, give --install\n", o.Tools, strings.Join(missing, " and "))
	}
	if len(services) == 0 {
		return nil, nil, errors.New("there is no service to measure")
	}
	return services, versions, nil
}

// build builds this project's program. go run takes it from the go command's cache, where go build would link it again.
func build(ctx context.Context, program string) error {
	out, err := exec.CommandContext(ctx, "go", "run", "-exec", "cp", "p2p-messaging", program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build this project's service (which takes the go command and the module's folder, or give --ours): %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// dependency returns the version of a Go module in this program.
func dependency(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return ""
}

// process is a program that runs on one core.
type process struct {
	command *exec.Cmd
	errors  bytes.Buffer // what it wrote to stderr
	out     io.ReadCloser
	gone    chan struct{} // closed when it has ended
	forget  func()        // closes gone, once
}

// start starts a program on a core. The program ends with ctx at the latest.
func start(ctx context.Context, core int, arguments []string) (*process, error) {
	p := &process{gone: make(chan struct{}), command: exec.CommandContext(ctx, arguments[0], arguments[1:]...)}
	p.forget = sync.OnceFunc(func() { close(p.gone) })
	p.command.Stderr = &p.errors
	p.command.WaitDelay = 5 * time.Second
	p.command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} // without variables that could tune a service
	var err error
	if p.out, err = p.command.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, startOn(core, p.command, p.gone)
}

// end waits for the end of the program, and kills it first if kill is true. The error says how the program failed. It may be called
// again.
func (p *process) end(kill bool) error {
	if kill {
		_ = p.command.Process.Kill()
	}
	err := p.command.Wait()
	p.forget()
	if text := strings.TrimSpace(p.errors.String()); err != nil && text != "" {
		lines := strings.Split(text, "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return err
}

// addressPattern matches the address that every service prints when it listens.
var addressPattern = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// ready waits until the service prints its address.
func (p *process) ready() (address string, err error) {
	const patience = 30 * time.Second
	found := make(chan string)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(p.out)
		for lines.Scan() {
			if a := addressPattern.FindString(lines.Text()); a != "" {
				found <- a
				break
			}
		}
		_, _ = io.Copy(io.Discard, p.out)
	}()
	select {
	case a, ok := <-found:
		if ok {
			return a, nil
		}
		return "", errors.New("it did not start")
	case <-time.After(patience):
		go func() { <-found }()
		return "", fmt.Errorf("it was not ready after %v", patience)
	}
}

// measurement is the outcome of one scenario with one service.
type measurement struct {
	Service  string `json:"service"`
	Scenario string `json:"scenario"`
	Round    int    `json:"round"`
	outcome
	Failed string `json:"failed,omitempty"` // why there is no outcome; empty: there is one
}

// grace bounds the time that frames may be under way at the end.
const grace = 20 * time.Second

// measure starts a service and measures it in a scenario.
func (o *options) measure(ctx context.Context, s service, sc scenario, cores [2]int) measurement {
	m := measurement{Service: s.name, Scenario: sc.Name}
	j := job{Dialect: s.dialect, Token: s.token, Trusted: o.trusted, Cores: cores, Scenario: sc, Warmup: o.Warmup, Duration: o.Duration, Grace: grace}
	if sc.holds() {
		j.Duration, j.Scenario.Sessions = o.Idle, o.Sessions
	}
	command := s.command
	if sc.TLS {
		command = slices.Concat(command, s.secure)
	}
	f, err := measure(ctx, command, s.metrics, j)
	if err != nil {
		m.Failed = err.Error()
	}
	m.outcome = f
	return m
}

// measure starts a service with a command, and measures it. It scrapes the metrics meanwhile, unless the URL is empty.
func measure(ctx context.Context, command []string, metrics string, j job) (f outcome, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := start(ctx, j.Cores[0], command)
	if err != nil {
		return f, err
	}
	defer server.end(true)
	if j.Address, err = server.ready(); err != nil {
		return f, errors.Join(err, server.end(true))
	}
	j.PID = server.command.Process.Pid
	text, err := json.Marshal(j)
	if err != nil {
		return f, err
	}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	load, err := start(ctx, j.Cores[1], []string{self, generateCommand, string(text)})
	if err != nil {
		return f, err
	}
	scraped := scraping(ctx, metrics)
	unread := json.NewDecoder(load.out).Decode(&f)
	fault := scraped()
	if err := load.end(false); err != nil {
		return f, errors.Join(err, fault)
	}
	return f, errors.Join(unread, fault)
}
