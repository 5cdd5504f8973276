// SPDX-License-Identifier: Apache-2.0
// Reads a signature file: TOML, one [[signature]] for each pattern.
//
//   [[signature]]
//   name   = "Example.Dropper"        # printable ASCII; occurs once in all files
//   text   = "cmd /c copy "           # one of these: the bytes themselves (in UTF-8),
//   hex    = "4d5a ?? 00 e8"          #   pairs of digits, ?? for any byte,
//   regex  = 'powershell +-enc'       #   or a regular expression (regular_expression.h)
//   nocase = true                     # text, regex: ASCII letters in either case
//   check  = "luhn"                   # regex: the digits of the match have a right check digit (luhn.h)
//   effect = "match"                  # sets scan.match; without it, finding the pattern makes a payload infected
//
// A pattern must say at least as much as 4 literal bytes (Limits::signature_bits): a shorter one is found in everything.
#pragma once

#include "base/diagnostic.h"
#include "base/limits.h"
#include "inspect/signatures/signature.h"

#include <string>
#include <vector>

namespace sluice::inspect {

// The signatures of the file that are good, in its order; each fault goes to `faults`, and a caller that finds errors there uses none of them.
// What only Vectorscan can tell, and names that another file has too, are told by PatternSet::compile.
std::vector<Signature> parse_signature_file(std::string file, std::string text, const Limits& limits, Diagnostics& faults);

}  // namespace sluice::inspect
