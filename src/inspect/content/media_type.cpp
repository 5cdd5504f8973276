// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/media_type.h"

#include "base/text.h"
#include "inspect/content/magic.h"

#include <algorithm>
#include <array>

namespace sluice::inspect {
namespace {

using enum MediaClass;

constexpr std::size_t pdf_search = 1024;  // as far as viewers look for "%PDF-" (ISO 32000-1, Adobe's note 13 of annex H)
constexpr std::size_t tar_mark = 257;  // POSIX.1-1988 ustar, and GNU's
constexpr std::size_t iso_mark = 32'769;  // ECMA-119 8.1: sector 16, after its type

// What may begin behind something less risky.
MediaType by_later_mark(std::string_view bytes, std::string_view sniffed) {
    if (sniffed.find("<?php") != std::string_view::npos) return {"application/x-httpd-php", script};
    if (sniffed.size() > tar_mark && sniffed.substr(tar_mark).starts_with("ustar")) return {"application/x-tar", archive};
    if (bytes.size() > iso_mark && bytes.substr(iso_mark).starts_with("CD001")) return {"application/x-iso9660-image", archive};
    if (sniffed.substr(0, pdf_search).find("%PDF-") != std::string_view::npos) return {"application/pdf", document};
    return {};
}

bool is_under(std::string_view mime, std::string_view tree) {
    return mime.size() > tree.size() && equals_ignoring_case(mime.substr(0, tree.size()), tree);
}

}  // namespace

MediaType sniff(std::string_view first_bytes) {
    const std::string_view bytes = first_bytes.substr(0, sniff_length);
    MediaType found = by_magic(bytes);
    if (found.kind == unknown) found = by_text(bytes).value_or(found);
    if (is_risky(found.kind) && found.kind != document) return found;
    const MediaType later = by_later_mark(first_bytes, bytes);
    return later.kind > found.kind ? later : found;
}

bool is_event_stream(std::string_view declared_mime) {
    const std::string_view declared = trim(declared_mime.substr(0, declared_mime.find(';')));
    static constexpr std::array<std::string_view, 4> types{"text/event-stream", "multipart/x-mixed-replace", "application/x-ndjson",
                                                           "application/grpc"};
    return std::ranges::any_of(types, [&](std::string_view known) { return equals_ignoring_case(known, declared); }) ||
           is_under(declared, "application/grpc+");
}

bool agrees(std::string_view declared_mime, MediaType sniffed) {
    const std::string_view declared = trim(declared_mime.substr(0, declared_mime.find(';')));
    if (is_under(declared, "audio/") || is_under(declared, "video/")) return sniffed.kind == audio || sniffed.kind == video;
    return is_event_stream(declared) && !is_risky(sniffed.kind);
}

}  // namespace sluice::inspect
