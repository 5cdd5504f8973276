// SPDX-License-Identifier: Apache-2.0
// What a payload is, by its content: what its sender says of it is another field, and no proof.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::inspect {

// In order of risk. Where a payload fits two (a polyglot: an image that is a PDF as well, a tar archive whose first name begins with "MZ"),
// the riskier one wins. What is an archive by its first octets stays one: whoever opens it will see what its members are.
enum class MediaClass : std::uint8_t { unknown, text, font, image, audio, video, document, archive, script, program };

struct MediaType {
    std::string_view mime = "application/octet-stream";  // a literal, lower case, without parameters
    MediaClass kind = MediaClass::unknown;
};

// More first octets than this change nothing, but for one thing: an ISO 9660 image says so at 32,769.
inline constexpr std::size_t sniff_length = 4096;

// Any number of first octets, none included: the fewer, the less is known. What lies further behind is not seen: an archive may follow an
// image, which those who open archives will find. Event streams, NDJSON and the like are text or unknown here: no octets tell them.
MediaType sniff(std::string_view first_bytes);

// Programs, scripts, archives and documents: what `deliver = "auto"` holds and `whole = "risky"` scans whole.
constexpr bool is_risky(MediaClass kind) { return kind >= MediaClass::document; }

// Whether a declared type (Content-Type, parameters and all) is of what trickles for hours: text/event-stream, multipart/x-mixed-replace,
// application/x-ndjson, application/grpc and grpc+proto and its like.
bool is_event_stream(std::string_view declared_mime);

// Whether a payload may flow because of its declared type: audio/* or video/* whose content is either; an event stream whose content is not risky. No
// for all other declared types.
bool agrees(std::string_view declared_mime, MediaType sniffed);

}  // namespace sluice::inspect
