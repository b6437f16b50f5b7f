// kubectl's own reading of kubeconfigs, environment and options (cli-runtime and clientcmd), for tests that compare: it makes one request,
// GET /probe, and prints what was answered, or why no request was made. Errors are part of the answer.
// Usage: clientcmd [kubectl's options, such as --kubeconfig and --context] | clientcmd --yaml < CASES | clientcmd --proxies < CASES
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpproxy"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

type answer struct {
	Namespace string          `json:"namespace,omitempty"`
	Body      json.RawMessage `json:"body,omitempty"`
	// Of reading and checking: nothing was asked of a server.
	Refused string `json:"refused,omitempty"`
	// Of the request.
	Failed string `json:"failed,omitempty"`
}

func main() {
	flags := pflag.NewFlagSet("clientcmd", pflag.ContinueOnError)
	documents := flags.Bool("yaml", false, "print what each of the texts on standard input says, as JSON")
	proxies := flags.Bool("proxies", false, "print the proxy for each of the cases on standard input")
	config := genericclioptions.NewConfigFlags(false)
	config.AddFlags(flags)
	if err := flags.Parse(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var out any
	switch {
	case *documents:
		out = jsonOf()
	case *proxies:
		out = proxiesOf()
	default:
		out = request(config)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

func request(flags *genericclioptions.ConfigFlags) answer {
	loader := flags.ToRawKubeConfigLoader()
	config, err := loader.ClientConfig()
	if err != nil {
		return answer{Refused: err.Error()}
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return answer{Refused: err.Error()}
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	body, err := client.Get().AbsPath("/probe").MaxRetries(0).DoRaw(soon)
	if err != nil {
		return answer{Failed: err.Error()}
	}
	return answer{Namespace: namespace, Body: body}
}

// The texts are in base64, since not all of them are text.
func jsonOf() []answer {
	var texts [][]byte
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	read := []answer{}
	for _, text := range texts {
		body, err := yaml.YAMLToJSON(text)
		if err != nil {
			read = append(read, answer{Refused: err.Error()})
		} else {
			read = append(read, answer{Body: body})
		}
	}
	return read
}

type proxyCase struct {
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	No    string `json:"no"`
	CGI   bool   `json:"cgi"`
	URL   string `json:"url"`
}

// Many at a time: net/http reads the environment once in a process, so that the package is asked that does it.
func proxiesOf() []string {
	var cases []proxyCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	found := []string{}
	for _, each := range cases {
		target, err := url.Parse(each.URL)
		if err != nil {
			panic(err)
		}
		environment := httpproxy.Config{HTTPProxy: each.HTTP, HTTPSProxy: each.HTTPS, NoProxy: each.No, CGI: each.CGI}
		through, err := environment.ProxyFunc()(target)
		switch {
		case err != nil:
			found = append(found, "refused")
		case through == nil:
			found = append(found, "")
		default:
			found = append(found, through.String())
		}
	}
	return found
}
