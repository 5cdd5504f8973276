// SPDX-License-Identifier: Apache-2.0
// Content codings (RFC 9110 8.4.1) by their names: those that Sluice can undo.
#pragma once

#include "base/limits.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {

enum class Coding : std::uint8_t { identity, gzip, deflate, br, zstd };

std::string_view to_string(Coding coding);                    // "gzip": as Content-Encoding and Accept-Encoding have it

// A single name in any case; "x-gzip" is gzip (RFC 9110 8.4.1.3). nullopt: not one that can be undone here.
std::optional<Coding> coding_of(std::string_view name);

// The value of Content-Encoding (repeated fields joined by commas): its codings in the order in which they were applied, `identity` left out.
// Errors, on the server's side:
//   unsupported  a name that is not known, or something that is no name: the payload is `undecodable`
//   too_large    more than Limits::decoded_layers: the payload is `too_deep`
Result<std::vector<Coding>> parse_content_encoding(std::string_view value, const Limits& limits);

// An Accept-Encoding value with what can be undone here alone (and "identity"), weights kept, appended to nothing: into `out`, whose text it is. What is
// left of nothing is "identity": a server must not take it for "anything".
std::string_view decodable_codings(std::string_view accept_encoding, std::string& out);

}  // namespace sluice::inspect
