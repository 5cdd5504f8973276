// SPDX-License-Identifier: Apache-2.0
// A multipart object (a form, as a rule) is opened like an archive: each part is a member, called by its file name or its field's.
#include "base/text.h"
#include "inspect/scanner/archive_engine.h"
#include "inspect/scanner/container.h"
#include "inspect/scanner/zip_directory.h"
#include "protocols/mime/transfer_coding.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::inspect {

namespace {

constexpr std::string_view engine_name = "archive";
// Mail has three: mixed, related, alternative.
constexpr std::uint32_t nested_most = 4;

std::size_t count_of(std::string_view text, std::string_view wanted) {
    std::size_t count = 0;
    for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + wanted.size())) ++count;
    return count;
}

// Programs that have a mail library write their multiparts end lines with a bare LF, as Google's client for Python does. The same with CR LF where
// the boundaries and header sections are; nullopt: it is none of those.
std::optional<std::string> with_line_breaks(std::string_view object, std::string_view delimiter) {
    if (!object.starts_with(delimiter) || !object.substr(delimiter.size()).starts_with('\n')) return std::nullopt;
    const std::string next = '\n' + std::string(delimiter);
    std::string out;
    out.reserve(object.size() + object.size() / 16);
    while (!object.substr(delimiter.size()).starts_with("--")) {
        const std::size_t head = object.find("\n\n", delimiter.size());
        if (head == std::string_view::npos) break;
        for (const char c : object.substr(0, head + 2)) out.append(c == '\n' ? "\r\n" : std::string_view(&c, 1));
        object.remove_prefix(head + 2);
        const std::string_view data = object.substr(0, object.find(next));
        out.append(data);
        object.remove_prefix(data.size());
        if (object.empty()) break;
        out.append("\r\n");
        object.remove_prefix(1);
    }
    if (object.ends_with("--\n")) return out.append(object.substr(0, object.size() - 1)).append("\r\n");
    return out.append(object);
}

// Some clients say the charset here, which is no coding. What is not the first word some readers pass over.
std::string_view name_of_coding(std::string_view field) { return trim(field.substr(0, field.find_first_of("; \t"))); }

bool is_coded(std::string_view coding) {
    return !coding.empty() && coding != "7bit" && coding != "8bit" && coding != "binary" && coding != "utf-8";
}

// nullopt: nobody here knows the coding.
std::optional<std::string> decoded(std::string_view coding, std::string_view data) {
    if (coding == "base64") return mime::decode_base64(data);
    if (coding == "quoted-printable") return mime::decode_quoted_printable(data);
    return std::nullopt;
}

}  // namespace

void ArchiveEngine::open_multipart(std::string_view object, const mime::MultipartType& type, std::string_view path, std::uint32_t depth) {
    if (object.empty()) return;
    const std::string delimiter = "--" + type.boundary;
    const std::optional<std::string> rewritten =
        type.kind == mime::MultipartKind::other ? with_line_breaks(object, delimiter) : std::nullopt;
    const std::string_view text = rewritten ? std::string_view(*rewritten) : object;
    const std::vector<Range> data = open_parts(text, type, path, depth);
    // A delimiter that is none to us is one to readers that do not ask what stands around it.
    const std::string_view shorter = type.is_bare ? mime::first_octets(type.boundary) : std::string_view();
    const bool is_seen_by_all = count_of(object, delimiter) == data.size() + 1 &&
                                (shorter.empty() || count_of(object, "--" + std::string(shorter)) == data.size() + 1);
    if (!is_over() && !is_seen_by_all) hide_parts();
    if (!is_over() && !is_late()) open_whole(object, rewritten ? std::span<const Range>() : data, path, depth);
}

// Who does not take it for a multipart takes the whole, which may be an archive with parts for its filling. A zip that stands in one part was opened with
// it: then only what is infected counts, in another zip that some readers would find.
void ArchiveEngine::open_whole(std::string_view object, std::span<const Range> parts, std::string_view path, std::uint32_t depth) {
    const std::optional<ContainerPlace> place = find_container(object);
    if (!place) return;
    const std::optional<ZipPlace> zip = place->container == Container::zip ? find_zip(object) : std::nullopt;
    const bool is_in_part =
        zip && std::ranges::any_of(parts, [&](const Range& part) { return part.begin <= zip->begin && zip->end <= part.end; });
    if (!is_in_part) return open(object, path, depth, nullptr);
    const Plan* const plan = plan_;
    Plan quiet = *plan;
    quiet.on_member = nullptr;
    const Outcome before = outcome_;
    const std::uint32_t members = members_;
    plan_ = &quiet;
    open(object, path, depth, nullptr);
    plan_ = plan;
    if (outcome_.verdict == Verdict::infected) return;
    outcome_ = before;
    is_stopped_ = false;
    members_ = members;
    if (unpacked_ > plan_->limits.total_bytes) return stop(Reason::bomb);
    is_late();
}

// Where each part's data stand. Where the object cannot be taken apart that is told, and the rest is left.
std::vector<ArchiveEngine::Range> ArchiveEngine::open_parts(std::string_view object, const mime::MultipartType& type, std::string_view path,
                                                            std::uint32_t depth) {
    using Kind = mime::MultipartParser::Piece::Kind;
    std::vector<Range> found;
    const auto hidden = [&] {
        hide_parts();
        return found;
    };
    if (depth > nested_most) return hidden();
    Limits limits;
    limits.form_parts = plan_->limits.members;
    mime::MultipartParser parser(type, limits);
    std::string_view bytes = object;
    std::string data;
    Outcome read = Outcome::clean();
    while (!is_over() && !is_late()) {
        const auto piece = parser.next(bytes);
        if (!piece) return hidden();
        const std::size_t at = object.size() - bytes.size();
        switch (piece->kind) {
            case Kind::need_more:
                if (!parser.finish()) hide_parts();
                return found;
            case Kind::part:
                if (!count_member()) return found;
                found.push_back({.begin = at, .end = object.size()});
                data.clear();
                read = Outcome::clean();
                break;
            case Kind::data:
                if (read.verdict != Verdict::clean) break;
                if (data.size() + piece->data.size() <= plan_->limits.member_bytes) data += piece->data;
                else read = Outcome::unscannable(Reason::too_large, engine_name);
                break;
            case Kind::part_end:
                found.back().end = at;
                open_part(parser.part(), data, path, read, depth);
                break;
            case Kind::preamble:
            case Kind::epilogue: break;
        }
    }
    return found;
}

// Most servers take the data as they came, and some undo the coding: where these differ they are two members.
void ArchiveEngine::open_part(const mime::FormPart& part, std::string_view data, std::string_view path, const Outcome& read,
                              std::uint32_t depth) {
    Member member;
    member.depth = static_cast<std::uint16_t>(std::min<std::uint32_t>(depth, 0xffff));
    if (depth > 1) member.path.append(path).append("/");
    member.path += part.file_name.empty() ? part.name : part.file_name;
    member.outcome = read;
    look_at_member(data, member);
    open_inside(data, part, member.path, depth + 1);
    const std::string_view coding = name_of_coding(part.transfer_encoding);
    if (is_coded(coding) && !is_over()) {
        const std::optional<std::string> other = decoded(coding, data);
        if (!other) hide_parts();
        if (other && *other != data && !is_late() && count_member()) {
            member.outcome = read;
            member.body = {};
            look_at_member(*other, member);
            open_inside(*other, part, member.path, depth + 1);
        }
    }
    // Some servers will take this name instead.
    if (part.other_file_name.empty() || !plan_->on_member || is_over() || !count_member()) return;
    member.path = part.other_file_name;
    plan_->on_member(member);
}

void ArchiveEngine::open_inside(std::string_view data, const mime::FormPart& part, std::string_view path, std::uint32_t depth) {
    if (is_over() || is_late()) return;
    if (!mime::is_multipart(part.content_type)) return open(data, path, depth, nullptr);
    const auto type = mime::multipart_type(part.content_type);
    if (type) return open_multipart(data, *type, path, depth);
    hide_parts();
    open(data, path, depth, nullptr);
}

// Another reader may see what we do not.
void ArchiveEngine::hide_parts() { add(Outcome::unscannable(Reason::undecodable, structure_engine)); }

}  // namespace sluice::inspect
