package service

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"p2p-messaging/actors"
)

const (
	// peersMemory is the longest time that a service may be away if what waits for its PeerJS clients is to be there afterwards.
	peersMemory = time.Minute
	// peersInterval is the time between two looks for the file of a process that this one takes over from.
	peersInterval = 250 * time.Millisecond
)

// Peers keeps what waits for PeerJS clients, and the ids that are reserved for them, in a file while the service restarts. The methods
// of a nil *Peers do nothing. A process that is killed writes nothing.
type Peers struct {
	logger *slog.Logger
	system *actors.System
	file   string
	stop   chan struct{}
	late   sync.WaitGroup
}

// RestorePeers takes what the service before this one has left in a file, and removes the file. Takeover says that the service before
// may still be running: then the file is looked for during the first minute.
func RestorePeers(logger *slog.Logger, system *actors.System, file string, takeover bool) *Peers {
	if file == "" {
		return nil
	}
	p := &Peers{logger: logger, system: system, file: file, stop: make(chan struct{})}
	if found := p.restore(); !found && takeover {
		p.late.Go(p.watch)
	}
	return p
}

// watch looks for the file until it is there, or nobody writes it any more.
func (p *Peers) watch() {
	ticker := time.NewTicker(peersInterval)
	defer ticker.Stop()
	for until := time.Now().Add(peersMemory); time.Now().Before(until); {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			if p.restore() {
				return
			}
		}
	}
}

// restore takes the file, and reports whether there is one.
func (p *Peers) restore() (found bool) {
	states, err := take(p.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		p.logger.Warn("what waited for PeerJS clients is lost", slog.Any("error", err))
	case len(states) > 0:
		p.logger.Info("PeerJS clients find what waited for them before the restart", slog.Int("ids", len(states)))
		p.system.RestorePeers(states)
	}
	return true
}

// take reads a file and removes it. What is too old is left out.
func take(file string) (states []actors.PeerState, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := os.Remove(file); err != nil {
		return nil, fmt.Errorf("removing the file: %w", err)
	}
	info, err := f.Stat()
	if err != nil || time.Since(info.ModTime()) > peersMemory {
		return nil, err
	}
	if err := gob.NewDecoder(f).Decode(&states); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return states, nil
}

// Save writes the file, if there is something to write. The system must have been stopped.
func (p *Peers) Save() {
	if p == nil {
		return
	}
	close(p.stop)
	p.late.Wait()
	states := p.system.PeersLeft()
	if len(states) == 0 {
		return
	}
	if err := put(p.file, states); err != nil {
		p.logger.Warn("what waits for PeerJS clients is lost", slog.Any("error", err))
	}
}

// put writes a file that only this user can read.
func put(file string, states []actors.PeerState) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".peers-*") // with mode 0600
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(f).Encode(states), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
