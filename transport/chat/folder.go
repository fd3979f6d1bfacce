package chat

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// folder is where received files go. Nothing is written outside of it, whatever names and links there are.
type folder struct{ root *os.Root }

func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &folder{root}, nil
}

// count returns how many files and folders are in the folder.
func (d *folder) count() (int, error) {
	opened, err := d.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer func() { _ = opened.Close() }() // it was only read
	names, err := opened.Readdirnames(-1)
	return len(names), err
}

// create makes a file for bytes that come.
func (d *folder) create() (*os.File, error) {
	return d.root.OpenFile(".p2p-messaging-"+rand.Text()+".part", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// keep closes a file and gives it a name that no file has yet. It returns that name.
func (d *folder) keep(part *os.File, name string) (string, error) {
	aside := filepath.Base(part.Name())
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return "", errors.Join(err, d.root.Remove(aside))
	}
	for n := range maxTries {
		free := numbered(name, n)
		// The empty file takes the name, so that nothing is overwritten that comes at the same time.
		place, err := d.root.OpenFile(free, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			info, statErr := place.Stat()
			err = errors.Join(statErr, place.Close())
			if err == nil {
				err = errors.Join(d.root.Chmod(aside, info.Mode().Perm()), d.root.Rename(aside, free))
			}
		}
		if err != nil {
			return "", errors.Join(err, d.root.Remove(aside))
		}
		return free, nil
	}
	return "", errors.Join(fmt.Errorf("%d files have this name", maxTries), d.root.Remove(aside))
}

// discard deletes a file that is not wanted any more.
func (d *folder) discard(part *os.File) {
	_ = part.Close() // it is deleted anyhow
	_ = d.root.Remove(filepath.Base(part.Name()))
}
