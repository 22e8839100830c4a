package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8
const samples = 300

// files gives the bytes of a bundle's file by its path within it.
type files func(path string) ([]byte, error)

// summary is what was found, and how much of it was looked at.
type summary struct {
	Records       int64  `json:"records"`
	Root          string `json:"root"`
	Inclusions    int    `json:"inclusions"`
	Consistencies int    `json:"consistencies"`
	Minimum       int64  `json:"minimum"`
	Carried       int    `json:"carried"`
}

// tiles reads the tiles of a bundle; C2SP leaves the height out of the paths that Go writes.
type tiles struct {
	bundle files
	seen   map[tlog.Tile][]byte
}

func (t *tiles) Height() int { return tileHeight }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, ok := t.seen[tile]
		if !ok {
			var err error
			if data, err = t.bundle(strings.Replace(tile.Path(), "tile/8/", "tile/", 1)); err != nil {
				return nil, err
			}
		}
		all = append(all, data)
	}
	return all, nil
}

func (t *tiles) SaveTiles(saved []tlog.Tile, data [][]byte) {
	for i, tile := range saved {
		t.seen[tile] = data[i]
	}
}

// checkBundle checks everything in a bundle that Go's packages know of; older is a checkpoint that was kept, or nil.
func checkBundle(vkey string, bundle files, older []byte) (*summary, error) {
	message, err := bundle("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := openCheckpoint(vkey, message)
	if err != nil {
		return nil, err
	}
	reader := tlog.TileHashReader(tree, &tiles{bundle: bundle, seen: map[tlog.Tile][]byte{}})
	minimum, err := readMinimum(bundle)
	if err != nil {
		return nil, err
	}
	leaves, err := checkRecords(tree, reader, bundle, minimum)
	if err != nil {
		return nil, err
	}
	found := &summary{Records: tree.N, Root: fmt.Sprintf("%x", tree.Hash[:]), Minimum: minimum}
	if found.Carried, err = checkCarried(bundle, leaves, minimum); err != nil {
		return nil, err
	}
	if found.Inclusions, err = checkInclusions(tree, reader, leaves); err != nil {
		return nil, err
	}
	if found.Consistencies, err = checkConsistencies(tree, reader); err != nil || older == nil {
		return found, err
	}
	kept, err := openCheckpoint(vkey, older)
	if err != nil {
		return nil, err
	}
	return found, checkOlder(tree, reader, kept)
}

func openCheckpoint(vkey string, message []byte) (tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, fmt.Errorf("key: %w", err)
	}
	opened, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("checkpoint: another origin or form")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, fmt.Errorf("checkpoint size: %w", err)
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, fmt.Errorf("checkpoint root: %d bytes, %v", len(root), err)
	}
	copy(tree.Hash[:], root)
	return tree, nil
}

// readMinimum gives the first record that the bundle of a pruned ledger has in its entry bundles; 0 where it has all.
func readMinimum(bundle files) (int64, error) {
	data, err := bundle("minimum")
	if err != nil {
		return 0, nil
	}
	minimum, err := strconv.ParseInt(strings.TrimSuffix(string(data), "\n"), 10, 64)
	if err != nil || minimum <= 0 || minimum%(1<<tileHeight) != 0 {
		return 0, fmt.Errorf("minimum: %q is none", data)
	}
	return minimum, nil
}

// checkCarried compares the records of a pruned ledger that were carried on with their leaves.
func checkCarried(bundle files, leaves []tlog.Hash, minimum int64) (int, error) {
	if minimum == 0 {
		return 0, nil
	}
	if minimum >= int64(len(leaves)) {
		return 0, fmt.Errorf("minimum: %d of %d records", minimum, len(leaves))
	}
	data, err := bundle("carried")
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(data), "\n")
	for _, line := range lines[:len(lines)-1] {
		var record struct {
			Index int64 `json:"entry_id"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return 0, fmt.Errorf("carried: %w", err)
		}
		if record.Index < 0 || record.Index >= minimum || tlog.RecordHash([]byte(line)) != leaves[record.Index] {
			return 0, fmt.Errorf("carried: record %d is not that of its leaf", record.Index)
		}
	}
	return len(lines) - 1, nil
}

// checkRecords compares every record with its leaf; reading a leaf authenticates its tile and all above it. Below the
// minimum there are leaves alone.
func checkRecords(tree tlog.Tree, reader tlog.HashReader, bundle files, minimum int64) ([]tlog.Hash, error) {
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
		if err != nil {
			return nil, fmt.Errorf("tile of records from %d: %w", start, err)
		}
		leaves = append(leaves, hashes...)
		if start < minimum {
			continue
		}
		records, err := readEntries(bundle, start>>tileHeight, int(width))
		if err != nil {
			return nil, err
		}
		for i, record := range records {
			if tlog.RecordHash(record) != hashes[i] {
				return nil, fmt.Errorf("record %d is not that of its leaf", start+int64(i))
			}
		}
	}
	return leaves, nil
}

func readEntries(bundle files, number int64, width int) ([][]byte, error) {
	tile := tlog.Tile{H: tileHeight, L: -1, N: number, W: width}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	data, err := bundle(path)
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: a record is cut short", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		records = append(records, data[2:end])
		data = data[end:]
	}
	if len(records) != width {
		return nil, fmt.Errorf("%s: %d records, not %d", path, len(records), width)
	}
	return records, nil
}

func checkInclusions(tree tlog.Tree, reader tlog.HashReader, leaves []tlog.Hash) (int, error) {
	count := 0
	for n := int64(0); n < tree.N; n += 1 + tree.N/samples {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err == nil {
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaves[n])
		}
		if err != nil {
			return count, fmt.Errorf("inclusion of record %d: %w", n, err)
		}
		count++
	}
	return count, nil
}

func checkConsistencies(tree tlog.Tree, reader tlog.HashReader) (int, error) {
	count := 0
	for size := int64(1); size < tree.N; size += 1 + tree.N/samples {
		hash, err := tlog.TreeHash(size, reader)
		if err == nil {
			err = checkOlder(tree, reader, tlog.Tree{N: size, Hash: hash})
		}
		if err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

func checkOlder(tree tlog.Tree, reader tlog.HashReader, older tlog.Tree) error {
	proof, err := tlog.ProveTree(tree.N, older.N, reader)
	if err == nil {
		err = tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
	}
	if err != nil {
		return fmt.Errorf("consistency from %d: %w", older.N, err)
	}
	return nil
}
