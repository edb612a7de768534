// Inside config/: values as Python writes them. LiteLLM hashes str() and json.dumps() of the
// parameters into a deployment's id, so each byte counts.
#ifndef WP_CONFIG_PYTHON_H
#define WP_CONFIG_PYTHON_H

#include "base/buf.h"
#include "config/yaml.h"

enum { WP_PYTHON_FLOAT_MAX = 32 };
// repr() of a float: shortest digits that read back equal; exponent below 1e-04 and from 1e+16.
void wp_python_float(double value, char out[WP_PYTHON_FLOAT_MAX]);

// str(): scalars as they are, collections as repr().
void wp_python_str(struct wp_buf *out, const struct wp_yaml_node *node);
// json.dumps() with its defaults: ", " and ": ", ASCII only, NaN and Infinity.
void wp_python_json(struct wp_buf *out, const struct wp_yaml_node *node);
// Valid JSON of a mapping without NaN and Infinity (null instead); values that came from the
// environment appear as "os.environ/NAME", since they may be secrets.
void wp_yaml_json(struct wp_buf *out, const struct wp_yaml_node *node);

#endif
