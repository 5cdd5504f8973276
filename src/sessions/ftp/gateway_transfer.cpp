// SPDX-License-Identifier: Apache-2.0
// Files and listings down, files up.
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <utility>

#include "base/http_date.h"
#include "base/text.h"
#include "protocols/ftp/features.h"
#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"
#include "sessions/ftp/gateway.h"
#include "sessions/ftp/listing_page.h"

namespace sluice::ftp {

namespace {

// For clients that show what they know; what the content really is, the inspection finds by itself.
std::string_view type_of_name(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 18> types{{{"txt", "text/plain"},
                                                                                          {"html", "text/html"},
                                                                                          {"htm", "text/html"},
                                                                                          {"css", "text/css"},
                                                                                          {"xml", "application/xml"},
                                                                                          {"json", "application/json"},
                                                                                          {"pdf", "application/pdf"},
                                                                                          {"png", "image/png"},
                                                                                          {"jpg", "image/jpeg"},
                                                                                          {"jpeg", "image/jpeg"},
                                                                                          {"gif", "image/gif"},
                                                                                          {"svg", "image/svg+xml"},
                                                                                          {"mp3", "audio/mpeg"},
                                                                                          {"mp4", "video/mp4"},
                                                                                          {"zip", "application/zip"},
                                                                                          {"gz", "application/gzip"},
                                                                                          {"tar", "application/x-tar"},
                                                                                          {"7z", "application/x-7z-compressed"}}};
    const std::string extension = file_extension(name.substr(name.rfind('/') + 1));
    for (const auto& [known, type] : types)
        if (known == extension) return type;
    return "application/octet-stream";
}

// MDTM's "YYYYMMDDHHMMSS" (RFC 3659 2.3), with a fraction maybe, which is none of HTTP's.
std::optional<std::int64_t> parse_time(std::string_view text) {
    constexpr std::size_t digits = 14;
    text = trim(text);
    if (text.size() < digits || (text.size() > digits && text[digits] != '.')) return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t size) { return parse_decimal<int>(text.substr(at, size)); };
    const auto year = number(0, 4), month = number(4, 2), day = number(6, 2), hour = number(8, 2), minute = number(10, 2),
               second = number(12, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (*year < 1970 || *month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60)
        return std::nullopt;
    std::tm utc{};
    utc.tm_year = *year - 1900;
    utc.tm_mon = *month - 1;
    utc.tm_mday = *day;
    utc.tm_hour = *hour;
    utc.tm_min = *minute;
    utc.tm_sec = *second;
    return timegm(&utc);
}

}  // namespace

Gateway::Outcome<void> Gateway::look_at_file() {
    if (origin_.type != 'a') {  // in type A it would be another number than that of the octets to come (RFC 3659 4)
        const Reply size = CO_TRY(co_await server_->ask("SIZE", path_.path));
        if (size.code == 213) size_ = parse_decimal<std::uint64_t>(trim(size.text()));
    }
    const Reply time = CO_TRY(co_await server_->ask("MDTM", path_.path));
    if (time.code == 213) modified_ = parse_time(time.text());
    co_return Result<void>{};
}

void Gateway::begin_head(int status) {
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(status);
    writer.field("Connection", "close");
}

Gateway::Outcome<Gateway::Refused> Gateway::get_file() {
    CO_TRY(co_await look_at_file());
    const bool is_known = size_ || modified_;
    if (!is_head() || !is_known) {
        // Not by a transfer: of a HEAD nothing would be read.
        if (is_head()) {
            if (CO_TRY(co_await enter(path_.path))) co_return moved_to_directory();
            co_return Answer{404, "The server has no such file.", {}};
        }
        const Reply begun = CO_TRY(co_await server_->begin_transfer("RETR", path_.path, 0, false));
        if (!begun.is_preliminary()) {
            if (begun.code == 550 && CO_TRY(co_await enter(path_.path))) co_return moved_to_directory();
            co_return answer_of(begun);
        }
    }
    begin_head(200);
    http1::HeadWriter writer(out_);
    writer.field("Content-Type", type_of_name(path_.path));
    if (modified_) writer.field("Last-Modified", http_date(*modified_));
    if (size_) writer.field("Content-Length", *size_);
    else if (!is_head()) writer.field("Transfer-Encoding", "chunked");
    writer.end();
    CO_TRY(co_await send(out_));
    if (!is_head()) CO_TRY(co_await pump_download());
    co_return std::nullopt;
}

Gateway::Outcome<void> Gateway::pump_download() {
    net::Buffer room = worker_.buffers().borrow(net::BufferSize::large);
    for (std::uint64_t sent = 0;;) {
        server_->data()->expires_in(limits().body_idle);
        const std::size_t got = CO_TRY(co_await server_->data()->read_some(room.span()));
        sent += got;
        if (size_ && (sent > *size_ || (got == 0 && sent < *size_)))
            co_return fail(Errc::malformed, Side::server, "the file is not as long as the server said");
        if (got == 0) break;
        const std::string_view data(room.data(), got);
        CO_TRY(size_ ? co_await send(data) : co_await send_chunk(data));
    }
    const Reply last = CO_TRY(co_await server_->end_transfer());
    if (!last.is_success()) co_return fail(Errc::closed, Side::server, "the server broke the transfer off");
    if (size_) co_return Result<void>{};
    out_.clear();
    http1::write_last_chunk(out_, {});
    co_return co_await send(out_);
}

Gateway::Outcome<void> Gateway::send_chunk(std::string_view data) {
    if (data.empty()) co_return Result<void>{};
    http1::ChunkPrefix prefix;
    const std::array<std::string_view, 3> pieces{std::string_view(prefix, http1::chunk_prefix(data.size(), prefix)), data,
                                                 http1::chunk_suffix};
    co_return co_await client_->write(pieces, 0, limits().body_idle);
}

Gateway::Outcome<Gateway::Refused> Gateway::get_listing() {
    // Not as the argument of LIST, which servers read as ls does: options, patterns.
    if (!CO_TRY(co_await enter(path_.path))) co_return Answer{404, "The server has no such directory.", {}};
    if (!is_head()) {
        const Reply features = CO_TRY(co_await server_->ask("FEAT", {}));
        const bool is_machine_readable = features.is_success() && has_feature(features, "MLST");
        const Reply begun = CO_TRY(co_await server_->begin_transfer(is_machine_readable ? "MLSD" : "LIST", {}, 0, false));
        if (!begun.is_preliminary()) co_return answer_of(begun);
        begin_head(200);
        http1::HeadWriter writer(out_);
        writer.field("Content-Type", "text/html; charset=utf-8");
        writer.field("Transfer-Encoding", "chunked");
        writer.end();
        CO_TRY(co_await send(out_));
        CO_TRY(co_await pump_listing(is_machine_readable));
        co_return std::nullopt;
    }
    begin_head(200);
    http1::HeadWriter writer(out_);
    writer.field("Content-Type", "text/html; charset=utf-8");
    writer.end();
    CO_TRY(co_await send(out_));
    co_return std::nullopt;
}

Gateway::Outcome<void> Gateway::pump_listing(bool is_machine_readable) {
    net::Buffer room = worker_.buffers().borrow();
    std::string page, unread;
    std::size_t entries = 0;
    std::uint64_t received = 0;
    append_page_start(page, origin_.url.ends_with('/') ? origin_.url : origin_.url + "/", !path_.path.empty() && path_.path != "/");
    for (bool has_ended = false; !has_ended;) {
        server_->data()->expires_in(limits().body_idle);
        const std::size_t got = CO_TRY(co_await server_->data()->read_some(room.span()));
        has_ended = got == 0;
        received += got;
        if (received > limits().ftp_listing) co_return fail(Errc::too_large, Side::server, "the listing is too long");
        unread.append(room.data(), got);
        if (has_ended && !unread.empty()) unread += '\n';  // a last line without its end
        std::size_t begin = 0;
        for (std::size_t end; (end = unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
            std::string_view line(unread.data() + begin, end - begin);
            if (line.ends_with('\r')) line.remove_suffix(1);
            const auto entry = is_machine_readable ? parse_mlsd_line(line) : parse_list_line(line);
            if (!entry) continue;
            ++entries;
            append_page_entry(page, *entry);
        }
        unread.erase(0, begin);
        if (unread.size() > limits().ftp_line) co_return fail(Errc::too_large, Side::server, "a line of the listing is too long");
        if (has_ended) break;
        CO_TRY(co_await send_chunk(page));
        page.clear();
    }
    const Reply last = CO_TRY(co_await server_->end_transfer());
    if (!last.is_success()) co_return fail(Errc::closed, Side::server, "the server broke the listing off");
    append_page_end(page, entries);
    CO_TRY(co_await send_chunk(page));
    out_.clear();
    http1::write_last_chunk(out_, {});
    co_return co_await send(out_);
}

Gateway::Outcome<Gateway::Refused> Gateway::put_file() {
    if (path_.is_directory || path_.path.empty()) co_return Answer{400, "A file has a name, and no slash at its end.", {}};
    if (head_.fields.find("Content-Range")) co_return Answer{400, "A part of a file cannot be put.", {}};  // RFC 9110 14.4
    if (head_.body.kind == http1::Framing::Kind::none && !head_.fields.has(http1::KnownField::content_length))
        co_return Answer{411, "A file that is put has a length, or comes in chunks.", {}};
    if (origin_.type != 'a') {
        const Reply size = CO_TRY(co_await server_->ask("SIZE", path_.path));
        existed_ = size.code != 550;
    }
    const Reply begun = CO_TRY(co_await server_->begin_transfer("STOR", path_.path, 0, false));
    if (!begun.is_preliminary()) co_return answer_of(begun);
    if (head_.expects_continue) {
        const std::array<std::string_view, 1> go_on{"HTTP/1.1 100 Continue\r\n\r\n"};
        CO_TRY(co_await client_->write(go_on, 0, limits().body_idle));
    }
    if (const auto pumped = co_await pump_upload(); !pumped) {
        auto refused = co_await take_back(pumped.error());
        if (!refused) co_return std::unexpected(pumped.error());
        co_return refused;
    }
    const Reply last = CO_TRY(co_await server_->end_transfer());
    if (!last.is_success()) co_return answer_of(last);
    begin_head(existed_ ? 204 : 201);
    http1::HeadWriter writer(out_);
    if (!existed_) writer.field("Content-Length", std::uint64_t{0});
    writer.end();
    CO_TRY(co_await send(out_));
    co_return std::nullopt;
}

Gateway::Outcome<void> Gateway::pump_upload() {
    std::optional<http1::ChunkedDecoder> chunks;
    if (head_.body.kind == http1::Framing::Kind::chunked) chunks.emplace(limits(), Side::client);
    std::uint64_t left = head_.body.kind == http1::Framing::Kind::length ? head_.body.length : 0;
    net::Buffer room = worker_.buffers().borrow(net::BufferSize::large);
    std::string_view unread = std::string_view(read_).substr(head_size_);
    for (bool has_ended = !chunks && left == 0; !has_ended;) {
        if (unread.empty()) {
            client_->expires_in(limits().body_idle);
            const std::size_t got = CO_TRY(co_await client_->read_some(room.span()));
            if (got == 0) co_return fail(Errc::closed, Side::client, "closed inside a body");
            unread = {room.data(), got};
        }
        std::string_view data;
        if (chunks) {
            const auto piece = CO_TRY(chunks->next(unread));
            has_ended = piece.kind == http1::ChunkedDecoder::Piece::Kind::end;
            data = piece.data;
        } else {
            data = unread.substr(0, left);
            unread.remove_prefix(data.size());
            left -= data.size();
            has_ended = left == 0;
        }
        if (data.empty()) continue;
        const std::array<std::string_view, 1> pieces{data};
        CO_TRY(co_await server_->data()->write(pieces, 0, limits().body_idle));
    }
    co_return Result<void>{};
}

// The half of a file whose rest does not come: taken back where there was none before, and only then. What the server said, where it was the one
// that wanted no more.
net::Task<Gateway::Refused> Gateway::take_back(const Error& error) {
    std::optional<Reply> refusal;
    if (server_->has_reply() && server_->front().is_failure()) refusal = server_->front();
    if (!server_->failure()) {
        auto said = co_await server_->abort_transfer(false);
        if (said && !existed_) static_cast<void>(co_await server_->ask("DELE", path_.path));
        if (said && !refusal) refusal = std::move(*said);
    }
    if (error.side == Side::client || !refusal) co_return std::nullopt;
    co_return answer_of(*refusal);
}

}  // namespace sluice::ftp
