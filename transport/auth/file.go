package auth

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"p2p-messaging/transport/internal/regular"
)

const (
	// lookInterval is the shortest time between two looks at a file.
	lookInterval = time.Second
	// maxDocument bounds what is read of a file or an answer, in bytes.
	maxDocument = 256 << 10
)

// file is what a file says. The file is read again when somebody asks and the last look is a while ago. The contents are compared,
// so links may be swapped and files be renamed. A new file that cannot be used leaves what was there, and is logged once.
type file[T any] struct {
	logger     *slog.Logger
	flag, name string
	parse      func([]byte) (T, error)

	mu      sync.Mutex
	value   T
	used    [sha256.Size]byte // what value was read from
	refused [sha256.Size]byte // what was logged as broken
	looked  time.Time
}

// open reads the file for the first time.
func (f *file[T]) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.read()
	return err
}

// get returns what the file says.
func (f *file[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) >= lookInterval {
		f.look()
	}
	return f.value
}

// reload reads the file now.
func (f *file[T]) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = f.used // what is wrong is logged again
	return f.look()
}

// look reads the file again. The caller holds mu.
func (f *file[T]) look() error {
	before := f.used
	sum, err := f.read()
	switch {
	case err != nil && sum != f.refused:
		f.refused = sum
		f.logger.Warn("what signs tokens cannot be read again, and what was there stays in use: " + err.Error())
	case err == nil && sum != before:
		f.logger.Info("what signs tokens was read again", slog.String("file", f.name))
	}
	return err
}

// read reads the file and takes what it says. Sum stands for the content, or for the fault. The caller holds mu.
func (f *file[T]) read() (sum [sha256.Size]byte, err error) {
	f.looked = time.Now()
	content, err := regular.Read(f.name, maxDocument)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.flag, err)
		return sha256.Sum256([]byte(err.Error())), err
	}
	sum = sha256.Sum256(content)
	if sum == f.used {
		f.refused = sum
		return sum, nil
	}
	value, err := f.parse(content)
	if err != nil {
		return sum, fmt.Errorf("%s: %s: %w", f.flag, f.name, err)
	}
	f.value, f.used, f.refused = value, sum, sum
	return sum, nil
}

// fileKeys are the keys in a file.
type fileKeys struct{ file[[]publicKey] }

// get implements keySource. A file that cannot be used is not waited for: its keys are those of before.
func (f *fileKeys) get() (keys *keySet, fresh bool) { return &keySet{f.file.get()}, true }

// renew implements keySource: get has just looked.
func (*fileKeys) renew(*check, *keySet) bool { return false }

func (*fileKeys) close() {}
