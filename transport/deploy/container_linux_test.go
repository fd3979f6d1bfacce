package deploy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// process returns a command in the container whose files are below root: as the image's user, with its variables only.
func (c container) process(ctx context.Context, root string, command []string) *exec.Cmd {
	p := exec.CommandContext(ctx, command[0], command[1:]...)
	p.Dir, p.Env = c.folder, c.environment
	p.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	return p
}

// run serves as the container does, on free ports of this machine, asks for the page, and runs the health check.
func (c container) run(t *testing.T, root string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c.environment = append(c.environment, "P2P_ADMIN="+freeAddress(t)) // the last one counts
	p := c.process(ctx, root, append(c.command, "--host=127.0.0.1", "--port=0"))
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	at := regexp.MustCompile(`http://\S+`).FindString(line)
	if err != nil || at == "" {
		t.Fatalf("the program says %q, %v; wanted the address of its page", line, err)
	}
	response, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if page, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK || len(page) == 0 {
		t.Errorf("the page is %d with %d bytes, %v", response.StatusCode, len(page), err)
	}
	output(t, c.process(ctx, root, c.health))
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the program ends with %v", err)
	}
}

// freeAddress returns an address of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
