// Command verify checks an exported ledger with the packages of Go's own checksum database, and with nothing of ours.
//
//	verify VKEY FOLDER [OLDER-CHECKPOINT]
//
// It checks the checkpoint's signature, every tile, every record against its leaf, an inclusion proof of every record
// (of a sample where there are many), and consistency from earlier sizes. It prints one line of JSON, or exits with 1.
// What it checks, and in which order, is in checks.go.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: verify VKEY FOLDER [OLDER-CHECKPOINT]")
	}
	var older []byte
	if len(os.Args) > 3 {
		var err error
		if older, err = os.ReadFile(os.Args[3]); err != nil {
			fail(err.Error())
		}
	}
	found, err := checkBundle(os.Args[1], folder(os.Args[2]), older)
	if err != nil {
		fail(err.Error())
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

func folder(root string) files {
	return func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(root, path)) }
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
