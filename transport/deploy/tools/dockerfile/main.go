// Command dockerfile reads a Dockerfile with BuildKit's own parser, and prints its stages as JSON: a list of instructions, each
// with its name and its fields. An instruction or a flag that BuildKit does not know is an error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type stage struct {
	Name, Base   string
	Instructions []instruction
}

type instruction struct {
	Name   string
	Fields any
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dockerfile FILE")
		os.Exit(2)
	}
	if err := print(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func print(name string, w io.Writer) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return err
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return err
	}
	var all []stage
	for _, s := range stages {
		one := stage{Name: s.Name, Base: s.BaseName}
		for _, command := range s.Commands {
			one.Instructions = append(one.Instructions, instruction{command.Name(), command})
		}
		all = append(all, one)
	}
	return json.NewEncoder(w).Encode(all)
}
