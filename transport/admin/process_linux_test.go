package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestALineOfStatWithAnyNameIsRead(t *testing.T) {
	const fields = " R 1 2 3 4 5 6 7 8 9 10 150 50 1 2 20 0 9 0 77 4096000 25 18446744073709551615 1"
	for _, name := range []string{"p2p-messaging", "", "a b", ") R 1 1 1", "((("} {
		p := newProcess(nil)
		p.readStat([]byte("4711 (" + name + ")" + fields + "\n"))
		for metric, want := range map[string]float64{
			"process_cpu_seconds_total": 2, "process_virtual_memory_bytes": 4096000, "process_resident_memory_bytes": 25 * float64(os.Getpagesize()),
		} {
			if got := *p.values[metric]; got != want {
				t.Errorf("named %q: %s is %v, want %v", name, metric, got, want)
			}
		}
	}
	p := newProcess(nil)
	for _, line := range []string{"", "4711", "4711 (x) R 1", "\n"} {
		p.readStat([]byte(line)) // must not fail
	}
}

func TestTheBytesOfTheNetworkAreRead(t *testing.T) {
	for text, want := range map[string][2]float64{
		"TcpExt: A B\nTcpExt: 1 2\nIpExt: InMcastPkts InOctets OutOctets\nIpExt: 3 4 5\n":     {4, 5},
		"IpExt: OutOctets InNoRoutes InOctets\nIpExt: 6 7 8\nMPTcpExt: InOctets\nMPTcpExt: 1": {8, 6},
		"TcpExt: InOctets\nTcpExt: 1\n": {0, 0},
		"IpExt: InOctets OutOctets\n":   {0, 0},
		"":                              {0, 0},
	} {
		p := newProcess(nil)
		p.readNetstat([]byte(text))
		if got := [2]float64{*p.values["process_network_receive_bytes_total"], *p.values["process_network_transmit_bytes_total"]}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestEntriesOfAFolderAreCounted(t *testing.T) {
	folder := t.TempDir()
	open, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	buf := make([]byte, 4<<10)
	for i := range 300 {
		if n, ok := countEntries(int(open.Fd()), buf); n != i || !ok {
			t.Fatalf("%d entries are counted, and there are %d", n, i)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%0*d", 1+i%99, i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, ok := countEntries(-1, buf); ok {
		t.Errorf("%d entries are counted of no folder", n)
	}
}
