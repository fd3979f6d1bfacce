package options

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestTheAdminPortIsOffUnlessItIsAskedFor(t *testing.T) {
	f := parse(t)
	if l, _, err := f.OpenAdmin(slog.New(slog.DiscardHandler)); l != nil || err != nil || f.Transport(nil, nil).Measure {
		t.Errorf("without --admin there is a port, %v, %v", l, err)
	}
	if !parse(t, "--admin", "127.0.0.1:0").Transport(nil, nil).Measure {
		t.Error("with --admin nothing is measured")
	}
}

func TestAddressesThatNoAdminPortCanHaveAreRefused(t *testing.T) {
	for _, arguments := range [][]string{
		{"--admin", "7778"}, {"--admin", "127.0.0.1"}, {"--admin", "http://127.0.0.1:7778"}, {"--admin", "127.0.0.1:7778/metrics"},
		{"--admin", "127.0.0.1:99999"}, {"--admin", "127.0.0.1:http"}, {"--admin", "::1:7778"}, {"--admin", "127.0.0.1:"}, {"--admin-sessions"},
	} {
		var usage *UsageError
		if err := parse(t, arguments...).Check(); !errors.As(err, &usage) || !strings.Contains(err.Error(), "127.0.0.1:7778") && !strings.Contains(err.Error(), "65535") {
			t.Errorf("%q: %v; wanted a usage error that says how to write it", arguments, err)
		}
	}
	for _, address := range []string{"127.0.0.1:7778", "[::1]:7778", ":7778", "localhost:0", "admin.test:7778"} {
		if err := parse(t, "--admin", address, "--admin-sessions").Check(); err != nil {
			t.Errorf("--admin %s: %v", address, err)
		}
	}
}

func TestAnAdminPortThatOthersReachIsAWarning(t *testing.T) {
	for address, warns := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, ":0": true, "0.0.0.0:0": true} {
		var log bytes.Buffer
		l, loopback, err := parse(t, "--admin", address).OpenAdmin(slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if loopback == warns || strings.Contains(log.String(), "level=WARN") != warns {
			t.Errorf("--admin %s: loopback %v, and it logs %s", address, loopback, &log)
		}
	}
}

func TestAnAdminPortThatCannotBeOpenedSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{taken.Addr().String(): "in use", "192.0.2.1:7778": "no address of this machine", "nobody.invalid:7778": "no address of this machine"} {
		if _, _, err := parse(t, "--admin", address).OpenAdmin(slog.New(slog.NewTextHandler(io.Discard, nil))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--admin %s: %v; wanted %s", address, err, want)
		}
	}
}
