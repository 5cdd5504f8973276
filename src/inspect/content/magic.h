// SPDX-License-Identifier: Apache-2.0
// The steps of sniffing. For this folder.
#pragma once

#include "inspect/content/media_type.h"

#include <optional>

namespace sluice::inspect {

// By fixed octets at the start (and a second mark further on, where there is one).
MediaType by_magic(std::string_view bytes);
// What the first entry of a zip file says about the rest: OOXML, ODF, EPUB, Java and Android packages, or just a zip.
MediaType zip_type(std::string_view bytes);
// Text of some kind, by how it begins; nullopt: not text.
std::optional<MediaType> by_text(std::string_view bytes);

}  // namespace sluice::inspect
