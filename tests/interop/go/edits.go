// Command edits asks the checks of verify about a bundle as it would be after each of many edits, made in memory.
//
//	edits VKEY FOLDER < EDITS
//
// A line of EDITS is a JSON array of [PATH, AT, CUT, PUT]: from byte AT of a file, CUT bytes are taken out, and PUT
// (base64) goes in their place. For each line it prints one: "accepted", or why the bundle is refused.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// edit is one array of a line: path, at, cut, put.
type edit [4]interface{}

func main() {
	if len(os.Args) != 3 {
		panic("usage: edits VKEY FOLDER < EDITS")
	}
	kept := readAll(os.Args[2])
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	told := bufio.NewWriter(os.Stdout)
	defer told.Flush()
	for {
		var edits []edit
		if err := lines.Decode(&edits); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		changed := apply(kept, edits)
		_, err := checkBundle(os.Args[1], func(path string) ([]byte, error) {
			if data, ok := changed[path]; ok {
				return data, nil
			}
			return nil, fmt.Errorf("%s is missing", path)
		}, nil)
		if err == nil {
			fmt.Fprintln(told, "accepted")
		} else {
			fmt.Fprintf(told, "%q\n", err.Error())
		}
	}
}

func readAll(root string) map[string][]byte {
	kept := map[string][]byte{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		kept[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		panic(err)
	}
	return kept
}

func apply(kept map[string][]byte, edits []edit) map[string][]byte {
	changed := make(map[string][]byte, len(kept))
	for path, data := range kept {
		changed[path] = data
	}
	for _, each := range edits {
		path, at, cut := each[0].(string), int(each[1].(float64)), int(each[2].(float64))
		put, err := base64.StdEncoding.DecodeString(each[3].(string))
		if err != nil {
			panic(err)
		}
		old := changed[path]
		data := append(append([]byte{}, old[:at]...), put...)
		changed[path] = append(data, old[at+cut:]...)
	}
	return changed
}
