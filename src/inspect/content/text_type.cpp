// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "inspect/content/magic.h"

#include <algorithm>
#include <array>

namespace sluice::inspect {
namespace {

using enum MediaClass;
using std::string_view_literals::operator""sv;

constexpr MediaType plain{"text/plain", text};

// How a text of this type begins, in any case, behind blanks. Scripts only by what hardly anything else begins with.
struct Opening {
    std::string_view start;              // lower case
    MediaType type;
};
constexpr Opening openings[] = {
    {"<?php", {"application/x-httpd-php", script}},
    {"<?=", {"application/x-httpd-php", script}},
    {"<%@", {"text/x-asp", script}},
    {"<hta:application", {"application/hta", script}},
    {"<job>", {"text/x-wsf", script}},
    {"<job ", {"text/x-wsf", script}},
    {"<package>", {"text/x-wsf", script}},
    {"<scriptlet", {"text/x-wsf", script}},
    {"<#", {"text/x-powershell", script}},
    {"<svg", {"image/svg+xml", text}},
    {"<?xml", {"text/xml", text}},
    {"@echo ", {"application/x-bat", script}},
    {"@setlocal", {"application/x-bat", script}},
    {"@powershell", {"application/x-bat", script}},
    {"setlocal enable", {"application/x-bat", script}},
    {"powershell -", {"text/x-powershell", script}},
    {"powershell.exe ", {"text/x-powershell", script}},
    {"#requires -", {"text/x-powershell", script}},
    {"[cmdletbinding(", {"text/x-powershell", script}},
    {"set-strictmode ", {"text/x-powershell", script}},
    {"$erroractionpreference", {"text/x-powershell", script}},
    {"import-module ", {"text/x-powershell", script}},
    {"add-type -", {"text/x-powershell", script}},
    {"invoke-expression", {"text/x-powershell", script}},
    {"invoke-webrequest", {"text/x-powershell", script}},
    {"iex ", {"text/x-powershell", script}},
    {"iex(", {"text/x-powershell", script}},
    {"option explicit", {"text/vbscript", script}},
    {"on error resume next", {"text/vbscript", script}},
    {"createobject(", {"text/vbscript", script}},
    {"attribute vb_name", {"text/vbscript", script}},
    {"windows registry editor version", {"text/x-ms-regedit", script}},
    {"regedit4", {"text/x-ms-regedit", script}},
    {"\"use strict\"", {"text/javascript", script}},
    {"'use strict'", {"text/javascript", script}},
    {"(function(", {"text/javascript", script}},
    {"(function (", {"text/javascript", script}},
    {"!function(", {"text/javascript", script}},
    {"(()=>", {"text/javascript", script}},
    {"new activexobject(", {"text/javascript", script}},
    {"wscript.", {"text/javascript", script}},
    {"[internetshortcut]", {"application/x-mswinurl", document}},
    {"mime-version:", {"message/rfc822", document}},
    {"#extm3u", {"application/vnd.apple.mpegurl", text}},
};

// What makes a browser read HTML (WHATWG MIME Sniffing 7.1); behind each a blank or ">", but for the comment.
constexpr std::string_view html_tags[] = {"<!doctype html", "<html", "<head",  "<script", "<iframe", "<h1",     "<div",   "<font",
                                          "<table",         "<a",    "<style", "<title",  "<b",      "<body",   "<br",    "<p",
                                          "<form",          "<img",  "<meta",  "<link",   "<base",   "<object", "<embed", "<frameset"};

bool starts_with_ignoring_case(std::string_view bytes, std::string_view lower_start) {
    return bytes.size() >= lower_start.size() && equals_ignoring_case(bytes.substr(0, lower_start.size()), lower_start);
}

bool contains_ignoring_case(std::string_view bytes, std::string_view lower_tag) {
    for (std::size_t at = bytes.find('<'); at != std::string_view::npos; at = bytes.find('<', at + 1))
        if (starts_with_ignoring_case(bytes.substr(at), lower_tag)) return true;
    return false;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }

bool is_html(std::string_view bytes) {
    if (bytes.starts_with("<!--")) return true;
    return std::ranges::any_of(html_tags, [&](std::string_view tag) {
        return starts_with_ignoring_case(bytes, tag) && bytes.size() > tag.size() &&
               (is_blank(bytes[tag.size()]) || bytes[tag.size()] == '>');
    });
}

// An object or array by its second token: enough to tell it from text in brackets.
bool is_json(std::string_view bytes) {
    if (bytes.empty() || (bytes.front() != '{' && bytes.front() != '[')) return false;
    std::size_t at = 1;
    while (at < bytes.size() && is_blank(bytes[at])) ++at;
    if (at == bytes.size()) return false;
    const char c = bytes[at];
    if (bytes.front() == '{') return c == '"' || c == '}';
    const std::string_view rest = bytes.substr(at);
    return is_digit(c) || std::string_view("{[]\"-").find(c) != std::string_view::npos || rest.starts_with("true") ||
           rest.starts_with("false") || rest.starts_with("null");
}

// `bytes`: without a byte order mark, ASCII where it matters.
MediaType by_opening(std::string_view bytes) {
    while (!bytes.empty() && is_blank(bytes.front())) bytes.remove_prefix(1);
    if (bytes.empty()) return plain;
    const char first = to_lower(bytes.front());
    for (const Opening& opening : openings) {
        if (opening.start.front() != first || !starts_with_ignoring_case(bytes, opening.start)) continue;
        if (opening.type.mime != "text/xml") return opening.type;
        if (contains_ignoring_case(bytes, "<job") || contains_ignoring_case(bytes, "<scriptlet")) return {"text/x-wsf", script};
        if (contains_ignoring_case(bytes, "<svg")) return {"image/svg+xml", text};
        if (contains_ignoring_case(bytes, "<html")) return {"text/html", text};
        return opening.type;
    }
    if (first == '<' && is_html(bytes))
        return contains_ignoring_case(bytes, "<hta:") ? MediaType{"application/hta", script} : MediaType{"text/html", text};
    if (first == '<' && starts_with_ignoring_case(bytes, "<!doctype")) return {"text/xml", text};
    if (is_json(bytes)) return {"application/json", text};
    return plain;
}

// UTF-16 is judged by its ASCII: PowerShell and registry files are often written in it.
MediaType by_utf16(std::string_view bytes, std::size_t low_octet) {
    std::array<char, sniff_length / 2> narrow;
    std::size_t size = 0;
    for (std::size_t at = 0; at + 1 < bytes.size() && size < narrow.size(); at += 2)
        narrow[size++] = bytes[at + 1 - low_octet] == '\0' ? bytes[at + low_octet] : '\x80';
    return by_opening({narrow.data(), size});
}

// WHATWG MIME Sniffing 3: a binary data byte. Without branches, so that it is compiled to vectors.
bool is_binary(std::string_view bytes) {
    unsigned found = 0;
    for (const char c : bytes) {
        const auto octet = static_cast<unsigned char>(c);
        found |= static_cast<unsigned>(octet <= 0x08) | static_cast<unsigned>(octet == 0x0b) |
                 (static_cast<unsigned>(octet >= 0x0e) & static_cast<unsigned>(octet <= 0x1a)) |
                 (static_cast<unsigned>(octet >= 0x1c) & static_cast<unsigned>(octet <= 0x1f));
    }
    return found != 0;
}

}  // namespace

std::optional<MediaType> by_text(std::string_view bytes) {
    if (bytes.starts_with("\xff\xfe\0\0"sv) || bytes.starts_with("\0\0\xfe\xff"sv)) return plain;
    if (bytes.starts_with("\xff\xfe")) return by_utf16(bytes.substr(2), 0);
    if (bytes.starts_with("\xfe\xff")) return by_utf16(bytes.substr(2), 1);
    if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
    if (bytes.empty()) return std::nullopt;
    // What begins as a script is one, whatever octets follow: interpreters do not mind them.
    const MediaType type = by_opening(bytes);
    if (is_risky(type.kind) || !is_binary(bytes)) return type;
    return std::nullopt;
}

}  // namespace sluice::inspect
