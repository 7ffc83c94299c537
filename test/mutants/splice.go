package mutants

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// planted is the variable of the environment that says which of the mutants in a program is planted, by
// its number. Without it none is.
const planted = "PLANTED_MUTANT"

// errAlone says that a mutant changes more than what functions do, so that it needs a build of its own.
var errAlone = errors.New("mutants: it needs a build of its own")

// source is a parsed file.
type source struct {
	text  []byte
	file  *ast.File
	funcs map[string]*ast.FuncDecl
	rest  string // all other declarations
	uses  map[string]bool
}

func parseSource(text []byte) (*source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := &source{text: text, file: file, funcs: make(map[string]*ast.FuncDecl), uses: make(map[string]bool)}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			s.funcs[nameOf(f)] = f
		} else {
			s.rest += s.of(d) + "\n"
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				s.uses[x.Name] = true
			}
		}
		return true
	})
	return s, nil
}

// at gives the place of a position in the text.
func (s *source) at(p token.Pos) int { return int(p - s.file.FileStart) }

// of gives the text of a node. That of a declaration has no comment before it.
func (s *source) of(n ast.Node) string {
	if f, ok := n.(*ast.FuncDecl); ok {
		return string(s.text[s.at(f.Type.Pos()):s.at(f.End())])
	}
	return string(s.text[s.at(n.Pos()):s.at(n.End())])
}

// nameOf gives the name of a function, with that of the type that it is a method of.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		default:
			return fmt.Sprintf("%s.%s", t, f.Name.Name)
		}
	}
}

// differ gives the names of the functions in which a mutated file differs, or errAlone.
func differ(healthy, mutated *source) ([]string, error) {
	if healthy.rest != mutated.rest || len(healthy.funcs) != len(mutated.funcs) {
		return nil, errAlone
	}
	for _, spec := range healthy.file.Imports { // one that is used no more would not be noticed
		names := strings.FieldsFunc(spec.Path.Value, func(r rune) bool { return strings.ContainsRune(`"/-.`, r) })
		if spec.Name != nil {
			names = []string{spec.Name.Name}
		}
		if slices.ContainsFunc(names, func(name string) bool { return healthy.uses[name] && !mutated.uses[name] }) {
			return nil, errAlone
		}
	}
	var names []string
	for name, f := range healthy.funcs {
		m, ok := mutated.funcs[name]
		if !ok || signature(healthy, f) != signature(mutated, m) {
			return nil, errAlone
		}
		if healthy.of(f) != mutated.of(m) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// signature gives the types of a function, without the names of what it takes.
func signature(s *source, f *ast.FuncDecl) string {
	var b strings.Builder
	for _, list := range []*ast.FieldList{f.Recv, f.Type.TypeParams, f.Type.Params, f.Type.Results} {
		b.WriteByte('(')
		if list == nil {
			continue
		}
		for _, field := range list.List {
			b.WriteString(strings.Repeat(s.of(field.Type)+",", max(1, len(field.Names))))
		}
	}
	return b.String()
}

// splice makes one file of a healthy one and the mutated ones, by the numbers of their mutants: each function
// that a mutant changes asks first whether it is planted, and then does what that one does.
func splice(text []byte, mutated map[int][]byte) ([]byte, error) {
	healthy, err := parseSource(text)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string][]int) // of the mutants of a function
	var copies bytes.Buffer
	for number, text := range mutated {
		m, err := parseSource(text)
		if err != nil {
			return nil, err
		}
		names, err := differ(healthy, m)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			numbers[name] = append(numbers[name], number)
			f := m.funcs[name]
			fmt.Fprintf(&copies, "\n%s%s%s\n", text[m.at(f.Type.Pos()):m.at(f.Name.Pos())], copyName(f, number), text[m.at(f.Name.End()):m.at(f.End())])
		}
	}
	var edits []edit
	for name, ns := range numbers {
		slices.Sort(ns)
		more, err := switches(healthy, healthy.funcs[name], ns)
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(text[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(text[at:])
	out.Write(copies.Bytes())
	return out.Bytes(), nil
}

// edit replaces a part of a text.
type edit struct {
	from, to int
	text     string
}

// copied finds the beginning of what a mutant does in the place of a function. After the first all are such.
var copied = regexp.MustCompile(`^func .*_mutant([0-9]+)[\[(]`)

func copyName(f *ast.FuncDecl, number int) string {
	return fmt.Sprintf("%s_mutant%d", f.Name.Name, number)
}

// switches lets a function do what its mutants do, if one is planted. What it takes gets names where it has
// none.
func switches(s *source, f *ast.FuncDecl, numbers []int) ([]edit, error) {
	call, edits := "", []edit(nil)
	if f.Recv != nil {
		receiver, e := named(s, f.Recv, "mutantR")
		call, edits = receiver[0]+".", append(edits, e...)
	}
	args, e := named(s, f.Type.Params, "mutantP")
	edits = append(edits, e...)
	generic := ""
	if list := f.Type.TypeParams; list != nil {
		var names []string
		for _, field := range list.List {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
		if slices.Contains(names, "_") {
			return nil, errAlone
		}
		generic = "[" + strings.Join(names, ", ") + "]"
	}
	body := " switch mutantPlanted {"
	for _, n := range numbers {
		c := call + copyName(f, n) + generic + "(" + strings.Join(args, ", ") + ")"
		if f.Type.Results.NumFields() > 0 {
			body += fmt.Sprintf("\ncase %d:\nreturn %s", n, c)
		} else {
			body += fmt.Sprintf("\ncase %d:\n%s\nreturn", n, c)
		}
	}
	begin := s.at(f.Body.Lbrace) + 1
	return append(edits, edit{begin, begin, body + "\n}\n"}), nil
}

// named gives the names of what a function takes, as arguments of a call, and what gives each a name.
func named(s *source, list *ast.FieldList, prefix string) (args []string, edits []edit) {
	var fields []string
	unnamed := false
	for _, field := range list.List {
		names := []string{"_"}
		if len(field.Names) > 0 {
			names = names[:0]
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
		for _, name := range names {
			if name == "_" {
				unnamed, name = true, fmt.Sprint(prefix, len(args))
			}
			fields = append(fields, name+" "+s.of(field.Type))
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				name += "..."
			}
			args = append(args, name)
		}
	}
	if unnamed {
		edits = []edit{{s.at(list.Opening) + 1, s.at(list.Closing), strings.Join(fields, ", ")}}
	}
	return args, edits
}

// chooser is a file for each package that has mutants in it: it finds out which is planted.
func chooser(name string) string {
	return fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar mutantPlanted, _ = strconv.Atoi(os.Getenv(%q))\n", name, planted)
}
