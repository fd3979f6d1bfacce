package nodes

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/transport/internal/locked"
)

// process is a program that runs on a host.
type process struct {
	command *exec.Cmd
	output  locked.Buffer // what it prints
	ended   chan struct{}
}

// begin starts a program on a host. It is killed with the test.
func begin(t *testing.T, h *host, variables []string, program string, arguments ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(program, arguments...), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), variables...)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	endWithTests(p.command)
	if err := h.start(p.command); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && len(p.output.String()) > 0 {
			t.Logf("%s on %s printed\n%s", program, h.name, last(p.output.String(), 4000))
		}
	})
	return p
}

// endWithTests has a process end with the thread that starts it, which lives as long as the tests.
func endWithTests(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// last returns the end of a text.
func last(text string, bytes int) string {
	if len(text) > bytes {
		return "…" + text[len(text)-bytes:]
	}
	return text
}

func (p *process) signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// freeze has the process stand still until thaw.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

// status returns a value in bytes of the process's status file, such as VmRSS.
func (p *process) status(t *testing.T, key string) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("the process has no %s", key)
	return 0
}

// cpu returns how much time of a processor the process has used.
func (p *process) cpu(t *testing.T) time.Duration {
	t.Helper()
	var total time.Duration
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", p.command.Process.Pid, task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		nanoseconds, _, _ := strings.Cut(string(content), " ")
		n, err := strconv.ParseInt(nanoseconds, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += time.Duration(n)
	}
	return total
}

// eventually waits until a condition holds. It fails the test if that takes too long.
func eventually(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}
