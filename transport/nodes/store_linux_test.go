package nodes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// etcd builds the program once for all tests, and returns its file. P2P_TEST_ETCD may name one that is built.
var etcd = sync.OnceValues(func() (string, error) {
	if program := os.Getenv("P2P_TEST_ETCD"); program != "" {
		return program, nil
	}
	file := filepath.Join(scratch, "etcd")
	output, err := exec.Command("go", "build", "-C", "../../actors/cluster/etcdtest", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building etcd: %w\n%s", err, output)
	}
	return file, nil
})

// store is an etcd of several members.
type store struct {
	network *network
	members []*member
	client  *http.Client
}

// member is one process of a store.
type member struct {
	*process
	host      *host
	variables []string
	arguments []string
	program   string
}

// openStore starts an etcd with a member on each of the hosts. It wants a certificate of the authority from everybody.
func openStore(t *testing.T, n *network, a *authority, names ...string) *store {
	t.Helper()
	program, err := etcd()
	if err != nil {
		t.Fatal(err)
	}
	s := &store{network: n, client: &http.Client{
		Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true},
		Timeout:   time.Second,
	}}
	var cluster []string
	for _, name := range names {
		cluster = append(cluster, fmt.Sprintf("%s=https://%s:2380", name, n.hosts[name].address))
	}
	for _, name := range names {
		h := n.hosts[name]
		certificate, key := a.issue(t, h)
		at := func(scheme string, port int) string { return fmt.Sprintf("%s://%s:%d", scheme, h.address, port) }
		m := &member{host: h, program: program, arguments: []string{
			"--name", name, "--data-dir", t.TempDir(), "--unsafe-no-fsync", "--log-level", "error",
			"--listen-client-urls", at("https", 2379), "--advertise-client-urls", at("https", 2379),
			"--listen-peer-urls", at("https", 2380), "--initial-advertise-peer-urls", at("https", 2380),
			"--listen-metrics-urls", at("http", 2381),
			"--initial-cluster", strings.Join(cluster, ","),
			"--client-cert-auth", "--trusted-ca-file", a.file("ca.pem"), "--cert-file", certificate, "--key-file", key,
			"--peer-client-cert-auth", "--peer-trusted-ca-file", a.file("ca.pem"), "--peer-cert-file", certificate, "--peer-key-file", key,
		}}
		s.members = append(s.members, m)
		m.run(t)
	}
	s.wait(t)
	return s
}

// run starts the member, also after it was killed.
func (m *member) run(t *testing.T) {
	t.Helper()
	m.process = begin(t, m.host, m.variables, m.program, m.arguments...)
}

// wait waits until all members answer.
func (s *store) wait(t *testing.T) {
	t.Helper()
	for _, m := range s.members {
		eventually(t, 30*time.Second, "etcd on "+m.host.name+" is ready", func() bool {
			body, err := s.ask(m, "/health")
			return err == nil && strings.Contains(body, `"health":"true"`)
		})
	}
}

// ask gets a page of a member's metrics port.
func (s *store) ask(m *member, path string) (string, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+m.host.address+":2381"+path, nil)
	if err != nil {
		return "", err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// leader waits until there is a leader, and returns it.
func (s *store) leader(t *testing.T) (leader *member) {
	t.Helper()
	eventually(t, 30*time.Second, "etcd has a leader", func() bool {
		for _, m := range s.members {
			if body, err := s.ask(m, "/metrics"); err == nil && strings.Contains(body, "\netcd_server_is_leader 1\n") {
				leader = m
			}
		}
		return leader != nil
	})
	return leader
}

// endpoints are the URLs of the members, separated by commas.
func (s *store) endpoints() string {
	var all []string
	for _, m := range s.members {
		all = append(all, "https://"+m.host.address+":2379")
	}
	return strings.Join(all, ",")
}

// wanted says that the tests with processes run. They do not without P2P_PROOF or P2P_PROOF_LONG, because they start a dozen processes
// whose leases end when the machine stands still for seconds.
func wanted() bool { return os.Getenv("P2P_PROOF") != "" || long() }

// long says that the tests have their full length, which takes ten minutes.
func long() bool { return os.Getenv("P2P_PROOF_LONG") != "" }
