// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/magic.h"

#include <cstdint>

namespace sluice::inspect {
namespace {

using enum MediaClass;
using std::string_view_literals::operator""sv;

constexpr std::string_view entry_magic = "PK\3\4"sv;
constexpr std::size_t entry_header = 30;                      // APPNOTE 4.3.7: up to the name

std::size_t number(std::string_view bytes, std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) |
           static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 1])) << 8U;
}

// The name of the entry whose header begins `bytes`; what of it is there.
std::string_view entry_name(std::string_view bytes) {
    if (bytes.size() < entry_header) return {};
    return bytes.substr(entry_header, number(bytes, 26));
}

// The names that a package's type goes by, whichever of them comes first.
MediaType type_of(std::string_view name) {
    if (name.starts_with("word/")) return {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", document};
    if (name.starts_with("xl/")) return {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", document};
    if (name.starts_with("ppt/")) return {"application/vnd.openxmlformats-officedocument.presentationml.presentation", document};
    if (name == "AndroidManifest.xml" || name == "classes.dex") return {"application/vnd.android.package-archive", archive};
    if (name.starts_with("META-INF/")) return {"application/java-archive", archive};
    return {};
}

// ODF 1.2 part 3, 3.3, and EPUB OCF 3.3: the first entry is "mimetype", stored, and its content is the type.
MediaType declared_type(std::string_view content) {
    static constexpr MediaType types[] = {
        {"application/epub+zip", document},
        {"application/vnd.oasis.opendocument.text", document},
        {"application/vnd.oasis.opendocument.spreadsheet", document},
        {"application/vnd.oasis.opendocument.presentation", document},
        {"application/vnd.oasis.opendocument.graphics", document},
    };
    for (const MediaType& type : types)
        if (content.starts_with(type.mime)) return type;
    if (content.starts_with("application/vnd.oasis.opendocument.")) return {"application/vnd.oasis.opendocument", document};
    return {};
}

}  // namespace

MediaType zip_type(std::string_view bytes) {
    constexpr MediaType zip{"application/zip", archive};
    if (!bytes.starts_with(entry_magic)) return zip;
    const std::string_view first = entry_name(bytes);
    if (first == "mimetype" && number(bytes, 8) == 0) {
        const std::size_t content = entry_header + first.size() + number(bytes, 28);
        const MediaType type = content < bytes.size() ? declared_type(bytes.substr(content)) : MediaType{};
        return type.kind != unknown ? type : zip;
    }
    if (const MediaType type = type_of(first); type.kind != unknown) return type;
    if (first != "[Content_Types].xml" && !first.starts_with("_rels/") && !first.starts_with("docProps/") &&
        !first.starts_with("customXml/"))
        return zip;
    // Open packaging (ECMA-376 part 2): which kind shows in the names that follow.
    for (std::size_t at = bytes.find(entry_magic, 1); at != std::string_view::npos; at = bytes.find(entry_magic, at + 1))
        if (const MediaType type = type_of(entry_name(bytes.substr(at))); type.kind == document) return type;
    return {"application/vnd.openxmlformats-officedocument", document};
}

}  // namespace sluice::inspect
