-- wrk: batches of 100 increases of 1,000 skus
local headers = { ["Content-Type"] = "application/x-ndjson" }
local n = 0

request = function()
    local lines = {}
    for i = 1, 100 do
        n = n + 1
        lines[i] = '{"action":"increase","sku":"SKU' .. n % 1000 .. '","qty":1}\n'
    end
    return wrk.format("POST", nil, headers, table.concat(lines))
end
