package release

import "encoding/json"

// stepChangeJSON has the weights as permyriad, without the percent sign of a weight's text.
type stepChangeJSON struct {
	Unit string `json:"unit"`
	From int    `json:"from_permyriad"`
	To   int    `json:"to_permyriad"`
}

func marshalStepChange(s StepChange) ([]byte, error) {
	return json.Marshal(stepChangeJSON{s.Unit, int(s.From), int(s.To)})
}

func unmarshalStepChange(data []byte, s *StepChange) error {
	var in stepChangeJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*s = StepChange{in.Unit, Weight(in.From), Weight(in.To)}
	return nil
}
