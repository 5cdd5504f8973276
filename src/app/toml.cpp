// SPDX-License-Identifier: Apache-2.0
// toml++'s own code: it is compiled here, once. Debian's library of it throws, and this one does not (TOML_EXCEPTIONS=0).
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
