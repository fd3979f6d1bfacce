package web_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
)

// translate has the router hide alice and bob behind a NAT each, which gives every connection another port (symmetric NAT, RFC 4787,
// section 4.1), and drops what goes from one to the other. So only a relay connects them.
func (n *internetwork) translate(more ...string) error {
	commands := []string{
		"add table ip translate",
		"add chain ip translate out { type nat hook postrouting priority srcnat; }",
		fmt.Sprintf("add rule ip translate out oifname %q masquerade random,fully-random", n.service.port()),
		"add table ip block",
		"add chain ip block forward { type filter hook forward priority filter; }",
		fmt.Sprintf("add rule ip block forward iifname %q oifname %q drop", n.alice.port(), n.bob.port()),
		fmt.Sprintf("add rule ip block forward iifname %q oifname %q drop", n.bob.port(), n.alice.port()),
	}
	return n.nft(append(commands, more...)...)
}

// nft runs commands of the program of that name (nft(8)) on the router.
func (n *internetwork) nft(commands ...string) error {
	return n.router.Do(func() error {
		path, err := lookProgram("nft")
		if err != nil {
			return err
		}
		batch := exec.Command(path, "-f", "-")
		batch.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
		if output, err := batch.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w\n%s", err, output)
		}
		return nil
	})
}

// needRelays skips a test that takes browsers, networks of its own and long.
func needRelays(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	if !long() {
		t.Skip("without P2P_TEST_LONG")
	}
	needNamespaces(t)
}

// internetworkFor makes a network for a test.
func internetworkFor(t *testing.T) *internetwork {
	t.Helper()
	takeSlot(t)
	n, err := newInternetwork()
	needBrowser(t, err)
	t.Cleanup(n.close)
	return n
}

// join opens the page for alice and for bob, and has them join.
func (n *internetwork) join(t *testing.T, url string) (alice, bob *page) {
	t.Helper()
	alice = openWithDiary(t, n.alice.browser, "alice", url, browser.PermissionSettingGranted)
	bob = openWithDiary(t, n.bob.browser, "bob", url, browser.PermissionSettingGranted)
	alice.join("alice")
	bob.join("bob")
	return alice, bob
}

// plainURL is the address of a service without TLS.
const plainURL = "http://" + serviceSubnet + ".2:7777/"

// program builds the program. go run takes it from the go command's cache, where go build would link it again.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p2p-messaging")
	if output, err := exec.Command("go", "run", "-exec", "cp", "p2p-messaging", path).CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, output)
	}
	return path
}

// runs starts the program on the host, and waits until it says that it is ready. It ends with the test.
func (h *host) runs(t *testing.T, program string, arguments ...string) {
	t.Helper()
	process := exec.Command(program, arguments...)
	if err := h.Enter(process); err != nil {
		t.Fatal(err)
	}
	endWithTests(process)
	var log lockedBuffer
	process.Stderr = &log
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill() // A test has no time for its goodbyes.
		_ = process.Wait()
		if logged := log.String(); strings.Contains(logged, "level=ERROR") || t.Failed() {
			t.Logf("the service has logged:\n%s", logged)
		}
	})
	lines := bufio.NewReader(output)
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("the service does not start: %q, %v\n%s", line, err, log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
}

// certificateFor makes a certificate that nobody has signed, and returns the files with it and with its key.
func certificateFor(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	coded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, bytes []byte) string {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", signed), write("key.pem", "PRIVATE KEY", coded)
}

func TestTwoBehindNATsTalkThroughTheRelayOfTheService(t *testing.T) {
	needRelays(t)
	t.Parallel()
	if _, err := lookProgram("nft"); err != nil {
		missing(t, "nft is not installed: apt-get install nftables")
	}
	service := program(t)
	cert, key := certificateFor(t, serviceName)
	for _, network := range []struct {
		name      string
		protocol  string
		rules     []string
		arguments []string
		url       string
	}{
		// Where both ways are open, this end uses the relay that answers first, which is by UDP nearly always.
		{"where nothing is blocked", "", nil, nil, plainURL},
		{"by TCP where UDP is blocked", "TCP", []string{"add rule ip block forward meta l4proto udp drop"}, nil, plainURL},
		{
			"by TLS where all but port 443 is blocked", "TLS",
			[]string{
				"add rule ip block forward meta l4proto udp drop",
				fmt.Sprintf("add rule ip block forward oifname %q tcp dport != 443 drop", port(serviceSubnet)),
			},
			[]string{"--port", "443", "--tls-cert", cert, "--tls-key", key}, "https://" + serviceName + "/",
		},
	} {
		t.Run(network.name, func(t *testing.T) {
			n := internetworkFor(t)
			if err := n.translate(network.rules...); err != nil {
				t.Fatal(err)
			}
			n.service.runs(t, service, append(network.arguments, "--turn-public-ip", n.service.ownAddress())...)
			alice, bob := n.join(t, network.url)
			alice.meets(bob)
			alice.say("through the relay")
			bob.hears("alice", "through the relay")
			bob.say("and back")
			alice.hears("bob", "and back")
			alice.delivered()
			path, want := onDisk(t, "relayed.bin", 1<<20)
			alice.choose(path)
			bob.click("button", "Accept relayed.bin")
			if _, sum := bob.save("relayed.bin"); sum != want {
				t.Error("the file is not what alice sent")
			}
			alice.shownHow("through a relay")
			alice.toggle("Relay only")
			alice.shownHow("through a relay, which this end reaches by " + network.protocol)
			alice.say("through this end's relay")
			bob.hears("alice", "through this end's relay")
			if network.rules != nil {
				return
			}
			probe := exec.Command(service, "probe", network.url)
			if err := n.alice.Enter(probe); err != nil {
				t.Fatal(err)
			}
			if output, err := probe.CombinedOutput(); err != nil {
				t.Errorf("the probe behind the same NAT fails: %v\n%s", err, output)
			}
		})
	}
}

// shownHow waits until "How am I connected?" shows the path.
func (p *page) shownHow(path string) {
	p.t.Helper()
	p.click("button", "How am I connected?")
	p.shows("dialog", "How am I connected?", path)
	p.escape() // The dialog grows with each message of the call, so its button may move away under a click.
	p.vanish("dialog", "How am I connected?")
}

// joinWithRelay has alice and bob join a service that offers a relay, in a network that blocks nothing.
func joinWithRelay(t *testing.T) (alice, bob *page) {
	t.Helper()
	n := internetworkFor(t)
	n.service.runs(t, program(t), "--turn-public-ip", n.service.ownAddress())
	return n.join(t, plainURL)
}

func TestACallFollowsRelayOnly(t *testing.T) {
	needRelays(t)
	t.Parallel()
	alice, bob := joinWithRelay(t)
	alice.meets(bob)
	// Each end turns it on and off, because one of them nominates the pair of candidates (RFC 8445, section 7.2.2).
	for _, pair := range [][2]*page{{alice, bob}, {bob, alice}} {
		one, other := pair[0], pair[1]
		one.shownHow("direct")
		one.toggle("Relay only")
		one.shownHow("through a relay, which this end reaches by ")
		other.shownHow("through a relay")
		one.say("behind the relay")
		other.hears(one.name, "behind the relay")
		one.toggle("Relay only")
		one.shownHow("direct")
		one.say("directly again")
		other.hears(one.name, "directly again")
	}
}

// A relay sends to no private address, so ICE fails at once for whoever may use only relays, until a candidate comes that has another one.
func TestACandidateThatComesLateCountsToo(t *testing.T) {
	needRelays(t)
	t.Parallel()
	alice, bob := joinWithRelay(t)
	bob.toggle("Relay only")
	eval[bool](alice, `(() => {
		const { send } = WebSocket.prototype;
		WebSocket.prototype.send = function (text) {
			if (!text.includes(" typ relay")) send.call(this, text);
			else setTimeout(() => send.call(this, text), 1_500);
		};
		return true;
	})()`)
	alice.meets(bob)
	bob.shownHow("through a relay, which this end reaches by ")
	failed := slices.ContainsFunc(bob.diary(), func(e diaryEntry) bool {
		return e.Kind == "ice" && strings.HasSuffix(e.Text, "connectionState failed")
	})
	if !failed {
		t.Error("bob's connection has not failed meanwhile, so this test shows nothing")
	}
	for _, p := range []*page{alice, bob} {
		p.absent("alert", "")
	}
}

func TestWithNoWayBetweenTwoThePageSaysWhatHelps(t *testing.T) {
	needRelays(t)
	t.Parallel()
	n := internetworkFor(t)
	if err := n.cut(hostPair{n.alice, n.bob}); err != nil {
		t.Fatal(err)
	}
	n.service.runs(t, program(t))
	alice, bob := n.join(t, plainURL)
	alice.connectTo("bob")
	began := time.Now()
	for _, p := range []*page{alice, bob} {
		p.shows("alert", "", "this service offers no relay. Try another network")
	}
	t.Logf("both have said so after %v", time.Since(began))
}
