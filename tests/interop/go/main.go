// Command verify checks an exported ledger with the packages of Go's own checksum database, and with nothing of ours.
//
//	verify VKEY FOLDER [OLDER-CHECKPOINT]
//
// It checks the checkpoint's signature, every tile, every record against its leaf, an inclusion proof of every record
// (of a sample where there are many), and consistency from earlier sizes. It prints one line of JSON, or exits with 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8
const samples = 300

// folder reads tiles of a bundle; C2SP leaves the height out of the paths that Go writes.
type folder struct {
	root string
	seen map[tlog.Tile][]byte
}

func (f *folder) Height() int { return tileHeight }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, ok := f.seen[tile]
		if !ok {
			var err error
			path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
			if data, err = os.ReadFile(filepath.Join(f.root, path)); err != nil {
				return nil, err
			}
		}
		all = append(all, data)
	}
	return all, nil
}

func (f *folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		f.seen[tile] = data[i]
	}
}

func main() {
	if len(os.Args) < 3 {
		fail("usage: verify VKEY FOLDER [OLDER-CHECKPOINT]")
	}
	tree := openCheckpoint(os.Args[1], filepath.Join(os.Args[2], "checkpoint"))
	reader := tlog.TileHashReader(tree, &folder{root: os.Args[2], seen: map[tlog.Tile][]byte{}})
	leaves := checkRecords(tree, reader, os.Args[2])
	inclusions := checkInclusions(tree, reader, leaves)
	consistencies := checkConsistencies(tree, reader)
	if len(os.Args) > 3 {
		checkOlder(tree, reader, openCheckpoint(os.Args[1], os.Args[3]))
	}
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"records": tree.N, "root": fmt.Sprintf("%x", tree.Hash[:]), "inclusions": inclusions, "consistencies": consistencies,
	})
}

func openCheckpoint(vkey, path string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err, "key")
	message, err := os.ReadFile(path)
	check(err, "checkpoint")
	opened, err := note.Open(message, note.VerifierList(verifier))
	check(err, "checkpoint")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("checkpoint: another origin or form")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "checkpoint size")
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	check(err, "checkpoint root")
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize || len(root) != tlog.HashSize {
		fail("checkpoint root: wrong length")
	}
	return tree
}

// checkRecords compares every record with its leaf; reading a leaf authenticates its tile and all above it.
func checkRecords(tree tlog.Tree, reader tlog.HashReader, root string) []tlog.Hash {
	var leaves []tlog.Hash
	for start := int64(0); start < tree.N; start += 1 << tileHeight {
		width := tree.N - start
		if width > 1<<tileHeight {
			width = 1 << tileHeight
		}
		var indexes []int64
		for n := start; n < start+width; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
		}
		hashes, err := reader.ReadHashes(indexes)
		check(err, fmt.Sprintf("tile of records from %d", start))
		records := readEntries(root, start>>tileHeight, int(width))
		for i, record := range records {
			if tlog.RecordHash(record) != hashes[i] {
				fail(fmt.Sprintf("record %d is not that of its leaf", start+int64(i)))
			}
		}
		leaves = append(leaves, hashes...)
	}
	return leaves
}

func readEntries(root string, number int64, width int) [][]byte {
	tile := tlog.Tile{H: tileHeight, L: -1, N: number, W: width}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(root, path))
	check(err, "records")
	var records [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			fail(path + ": a record is cut short")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		records = append(records, data[2:end])
		data = data[end:]
	}
	if len(records) != width {
		fail(fmt.Sprintf("%s: %d records, not %d", path, len(records), width))
	}
	return records
}

func checkInclusions(tree tlog.Tree, reader tlog.HashReader, leaves []tlog.Hash) int {
	count := 0
	for n := int64(0); n < tree.N; n += 1 + tree.N/samples {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		check(err, "inclusion proof")
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaves[n]), fmt.Sprintf("inclusion of record %d", n))
		count++
	}
	return count
}

func checkConsistencies(tree tlog.Tree, reader tlog.HashReader) int {
	count := 0
	for size := int64(1); size < tree.N; size += 1 + tree.N/samples {
		hash, err := tlog.TreeHash(size, reader)
		check(err, "older root")
		checkOlder(tree, reader, tlog.Tree{N: size, Hash: hash})
		count++
	}
	return count
}

func checkOlder(tree tlog.Tree, reader tlog.HashReader, older tlog.Tree) {
	proof, err := tlog.ProveTree(tree.N, older.N, reader)
	check(err, "consistency proof")
	check(tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash), fmt.Sprintf("consistency from %d", older.N))
}

func check(err error, what string) {
	if err != nil {
		fail(what + ": " + err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
