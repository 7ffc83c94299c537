package flights

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumber_ReadsFieldsAndMissingOnes(t *testing.T) {
	for field, want := range map[string]Number{
		"17": Int(17), "-3": Int(-3), "0": Int(0), "0517": Int(517),
		"": {}, "NA": {},
	} {
		n := Int(99)
		require.NoError(t, n.UnmarshalText([]byte(field)), field)
		require.Equal(t, want, n, field)
	}
}

func TestNumber_RefusesWhatIsNoInteger(t *testing.T) {
	for _, field := range []string{"x", "1.5", "na", " 1", "1e3", "99999999999999999999"} {
		require.Error(t, new(Number).UnmarshalText([]byte(field)), field)
	}
	for _, data := range []string{`"1"`, `1.5`, `true`} {
		require.Error(t, json.Unmarshal([]byte(data), new(Number)), data)
	}
}

func FuzzNumber_SurvivesJSON(f *testing.F) {
	f.Add("17")
	f.Add("NA")
	f.Add("-0")
	f.Fuzz(func(t *testing.T, field string) {
		var n, again Number
		if n.UnmarshalText([]byte(field)) != nil {
			return
		}
		data, err := json.Marshal(n)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &again))
		require.Equal(t, n, again)
	})
}
