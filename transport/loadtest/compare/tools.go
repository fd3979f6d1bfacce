package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// tools names what npm installs, with the version and the hash of each package.
//
//go:embed tools/package.json tools/package-lock.json
var tools embed.FS

// install installs with npm, in the tools folder, the services that are not this project's.
func (o *options) install(ctx context.Context) error {
	if err := os.MkdirAll(o.Tools, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := tools.ReadFile(path.Join("tools", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.Tools, name), text, 0o600); err != nil {
			return err
		}
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = o.Tools
	if output, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("--install: npm ci in %s: %w: %s", o.Tools, err, bytes.TrimSpace(output))
	}
	return nil
}

// installed returns the version of an npm package in the tools folder. It is empty if the package is not installed.
func (o *options) installed(name string) string {
	var p struct{ Version string }
	text, err := os.ReadFile(filepath.Join(o.Tools, "node_modules", name, "package.json"))
	if err != nil || json.Unmarshal(text, &p) != nil {
		return ""
	}
	return p.Version
}
