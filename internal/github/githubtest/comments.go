package githubtest

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Pull is a pull request as a commit's list has it.
type Pull struct {
	Number         int        `json:"number"`
	State          string     `json:"state"`
	MergedAt       *time.Time `json:"merged_at"`
	MergeCommitSHA string     `json:"merge_commit_sha"`
}

// Comment is one on an issue or pull request, or on a commit.
type Comment struct {
	ID        int64     `json:"id"`
	Issue     int       `json:"-"`
	CommitID  string    `json:"commit_id,omitempty"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (s *Server) listPulls(c *call) (answer, *problem) {
	if wrong := c.commit(c.PathValue("sha")); wrong != nil {
		return answer{}, wrong
	}
	body, link := page(c, c.repo.Pulls[c.PathValue("sha")])
	return answer{body: body, link: link}, nil
}

func (c *call) issue() (int, *problem) {
	number := int(c.id("number"))
	for _, pulls := range c.repo.Pulls {
		for _, pull := range pulls {
			if pull.Number == number {
				return number, nil
			}
		}
	}
	return 0, notFound()
}

// text reads a comment's body.
func (c *call) text() (string, *problem) {
	var in struct {
		Body string `json:"body"`
		Path string `json:"path"`
	}
	if wrong := c.decode(&in); wrong != nil {
		return "", wrong
	}
	if strings.TrimSpace(in.Body) == "" {
		return "", invalid("IssueComment", "body", "missing_field")
	}
	if utf8.RuneCountInString(in.Body) > mostSummary+1 {
		return "", invalid("IssueComment", "body", "too_long")
	}
	return in.Body, nil
}

func (s *Server) listIssueComments(c *call) (answer, *problem) {
	number, wrong := c.issue()
	if wrong != nil {
		return answer{}, wrong
	}
	since, _ := time.Parse(time.RFC3339, c.URL.Query().Get("since"))
	var all []Comment
	for _, comment := range c.repo.Comments {
		if comment.Issue == number && !comment.UpdatedAt.Before(since) {
			all = append(all, *comment)
		}
	}
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}

func (s *Server) createIssueComment(c *call) (answer, *problem) {
	number, wrong := c.issue()
	if wrong != nil {
		return answer{}, wrong
	}
	return s.comment(c, Comment{Issue: number})
}

func (s *Server) listCommitComments(c *call) (answer, *problem) {
	sha := c.PathValue("sha")
	if wrong := c.commit(sha); wrong != nil {
		return answer{}, wrong
	}
	var all []Comment
	for _, comment := range c.repo.Comments {
		if comment.CommitID == sha {
			all = append(all, *comment)
		}
	}
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}

func (s *Server) createCommitComment(c *call) (answer, *problem) {
	sha := c.PathValue("sha")
	if wrong := c.commit(sha); wrong != nil {
		return answer{}, wrong
	}
	return s.comment(c, Comment{CommitID: sha})
}

func (s *Server) comment(c *call, comment Comment) (answer, *problem) {
	var wrong *problem
	if comment.Body, wrong = c.text(); wrong != nil {
		return answer{}, wrong
	}
	comment.ID, comment.CreatedAt, comment.UpdatedAt = s.next(), c.now.UTC(), c.now.UTC()
	c.repo.Comments = append(c.repo.Comments, &comment)
	return answer{status: http.StatusCreated, body: comment}, nil
}

// editComment is for both kinds, each under its own path.
func (s *Server) editComment(c *call) (answer, *problem) {
	ofIssue := strings.Contains(c.URL.Path, "/issues/comments/")
	for _, comment := range c.repo.Comments {
		if comment.ID != c.id("id") || (comment.Issue > 0) != ofIssue {
			continue
		}
		text, wrong := c.text()
		if wrong != nil {
			return answer{}, wrong
		}
		comment.Body, comment.UpdatedAt = text, c.now.UTC()
		return answer{body: *comment}, nil
	}
	return answer{}, notFound()
}
