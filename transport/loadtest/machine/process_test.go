//go:build linux

package machine

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

func TestAProcessIsFoundByTheAddressThatItListensAt(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().(*net.TCPAddr).AddrPort()
	p := Find(0, address)
	if p == nil {
		t.Fatalf("nobody listens at %v; wanted this process", address)
	}
	f := p.Figures(Sample{RSS: 5, Anonymous: 4})
	if f.PID != os.Getpid() || f.Command == "" || f.FileLimit == 0 || f.IdleRSS != 5 || f.IdleAnonymous != 4 {
		t.Errorf("%+v; wanted process %d with a name and a limit of files", f, os.Getpid())
	}
	_ = listener.Close()
	if p := Find(0, address); p != nil {
		t.Errorf("process %d listens at %v; wanted nobody", p.Figures(Sample{}).PID, address)
	}
}

func TestAProcessThatCannotBeSeenIsNotFound(t *testing.T) {
	if p := Find(1<<30, netip.AddrPort{}); p != nil {
		t.Error("there is a process with a number that no process can have")
	}
	if p := Find(0, netip.MustParseAddrPort("192.0.2.1:80")); p != nil {
		t.Error("a process of this machine listens at an address of another")
	}
}

func TestALookSaysWhatWasUsedSinceTheLastOne(t *testing.T) {
	p := Find(os.Getpid(), netip.AddrPort{})
	if p == nil {
		t.Fatal("this process cannot be seen")
	}
	before := CPUTime()
	for CPUTime()-before < 50*time.Millisecond { // the kernel counts in steps of 10 ms
	}
	s, ok := p.Look()
	if !ok || s.CPU <= 0 || s.CPU > CPUTime() || s.Anonymous <= 0 || s.RSS <= s.Anonymous || s.Files <= 0 {
		t.Errorf("%+v, %v; wanted CPU, memory and files of a process that has worked", s, ok)
	}
	if again, ok := p.Look(); !ok || again.CPU > s.CPU {
		t.Errorf("%v at once after %v; wanted what was used in between", again.CPU, s.CPU)
	}
}

// A process may inherit files whose numbers are beyond its limit.
func TestOpenFilesAreNeverMoreThanTheLimit(t *testing.T) {
	p := Find(os.Getpid(), netip.AddrPort{})
	if p == nil {
		t.Fatal("this process cannot be seen")
	}
	p.limit = 2 // at least the standard streams are open
	if s, ok := p.Look(); !ok || s.Files != 2 {
		t.Errorf("%d of 2 files are open, %t; wanted 2", s.Files, ok)
	}
}

func TestTheMachineIsDescribed(t *testing.T) {
	if m := Describe(); m.Cores < 1 || m.Memory <= 0 || m.System == "" || m.Go == "" {
		t.Errorf("%+v; wanted cores, memory, system and Go", m)
	}
	if RaiseFileLimit() < 1 || ResidentSize() <= 0 || TidySize() <= 0 {
		t.Errorf("%d files, %d and %d bytes; wanted some of each", RaiseFileLimit(), ResidentSize(), TidySize())
	}
}
