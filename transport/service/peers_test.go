package service

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

func TestPeersOutliveARestart(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	file := filepath.Join(t.TempDir(), "new", "peers")
	states := []actors.PeerState{
		{Key: messages.PeerKey("bob"), Waiting: []actors.PeerMessage{{From: "alice", Text: []byte(`{"type":"OFFER","src":"alice","dst":"bob"}`)}}},
		{Key: messages.PeerKey("\xFF5"), Waiting: []actors.PeerMessage{{From: "alice", Text: []byte(`{"type":"OFFER","src":"alice","dst":5}`)}}},
		{Key: messages.PeerKey("carol"), Token: []byte("0123456789abcdef")},
	}
	// run starts a system, lets f use it, and stops it.
	run := func(takeover bool, f func(*actors.System)) {
		t.Helper()
		system := actors.NewSystem(actors.Options{Logger: logger, PeerJS: &actors.PeerJS{Reserve: time.Hour, ExpireTimeout: time.Hour}})
		peers := RestorePeers(logger, system, file, takeover)
		f(system)
		if err := system.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		peers.Save()
	}
	awaited := func(s *actors.System) int { f := s.Figures(); return f.PeersAwaited + f.PeersReserved }
	run(false, func(s *actors.System) { s.RestorePeers(states) })
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file is %v, %v", info, err)
	}
	run(false, func(s *actors.System) {
		if n := awaited(s); n != 3 {
			t.Errorf("the state of %d ids was restored, want 3", n)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
	})
	got, err := take(file)
	if err != nil || len(got) != 3 {
		t.Fatalf("the file has %v, %v", got, err)
	}
	for _, want := range states {
		found := false
		for _, one := range got {
			found = found || reflect.DeepEqual(one, want)
		}
		if !found {
			t.Errorf("%+v is not in the file", want)
		}
	}

	// A process that takes over waits for the file.
	run(true, func(s *actors.System) {
		if err := put(file, states); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); awaited(s) != 3; time.Sleep(time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Fatal("the file was not taken")
			}
		}
	})
	// What is old or broken is not taken, and not kept.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	run(false, func(s *actors.System) {
		if n := awaited(s); n != 0 {
			t.Errorf("the state of %d ids was restored from an old file", n)
		}
	})
	if err := os.WriteFile(file, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(false, func(*actors.System) {})
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a file without use is still there: %v", err)
	}
	if !strings.Contains(log.String(), "what waited for PeerJS clients is lost") {
		t.Errorf("the log does not tell of the broken file:\n%s", log.String())
	}
	if strings.Contains(log.String(), "bob") {
		t.Errorf("the log has an id:\n%s", log.String())
	}
}
