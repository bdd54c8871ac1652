// Checks a copy of a log with the reference code of Go's checksum database, none of it ours.
//
//	check_log FOLDER VKEY
//
// Reads checkpoint and entry bundles, re-derives every leaf hash and the root, compares every stored
// tile, and proves every 97th record. Ends with 0 and one line if everything agrees.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// path writes tile coordinates as C2SP does; Go's own Tile.Path is older.
func path(kind string, n int64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width < 256 {
		name += ".p/" + strconv.Itoa(width)
	}
	return "tile/" + kind + "/" + name
}

// hashes stores the tree in memory, in the order of tlog.StoredHashIndex.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = h[index]
	}
	return out, nil
}

func entries(folder string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := int(min64(256, size-n*256))
		data, err := os.ReadFile(filepath.Join(folder, path("entries", n, width)))
		check(err)
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func main() {
	folder, vkey := os.Args[1], os.Args[2]
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	check(err)
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("origin %q is not the key's name", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)

	var stored hashes
	leaves := entries(folder, size)
	if int64(len(leaves)) != size {
		check(fmt.Errorf("%d entries instead of %d", len(leaves), size))
	}
	for n, leaf := range leaves {
		more, err := tlog.StoredHashes(int64(n), leaf, stored)
		check(err)
		stored = append(stored, more...)
	}
	derived, err := tlog.TreeHash(size, stored)
	check(err)
	if derived != root {
		check(fmt.Errorf("the entries have the root %v, the checkpoint says %v", derived, root))
	}
	tiles := 0
	for level := 0; level < 8; level++ {
		width := size >> (8 * uint(level))
		for n := int64(0); n*256 < width; n++ {
			tile := tlog.Tile{H: 8, L: level, N: n, W: int(min64(256, width-n*256))}
			want, err := tlog.ReadTileData(tile, stored)
			check(err)
			got, err := os.ReadFile(filepath.Join(folder, path(strconv.Itoa(level), n, tile.W)))
			check(err)
			if !bytes.Equal(got, want) {
				check(fmt.Errorf("tile %d/%d differs", level, n))
			}
			tiles++
		}
	}
	for n := int64(0); n < size; n += 97 {
		proof, err := tlog.ProveRecord(size, n, stored)
		check(err)
		check(tlog.CheckRecord(proof, size, root, n, tlog.RecordHash(leaves[n])))
	}
	fmt.Printf("go: %d entries, %d tiles and the signature agree\n", size, tiles)
}
