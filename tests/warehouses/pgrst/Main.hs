{-# LANGUAGE OverloadedStrings #-}
-- | PostgREST's own parser of queries: a query on each line in, what it has read of it on each line out, texts in hex.
--
-- A line is words: `path|conditions` for each, and `embedded:name` for each resource that is embedded or ordered by.
-- A query that PostgREST answers with 400 is `400`.
module Main (main) where

import           Control.Exception                (SomeException, evaluate, try)
import qualified Data.ByteString                  as BS
import qualified Data.ByteString.Char8            as B8
import           Data.List                        (intercalate)
import qualified Data.Text                        as T
import qualified Data.Text.Encoding               as T
import           Data.Tree                        (Tree (..))
import           PostgREST.ApiRequest.QueryParams
import           PostgREST.ApiRequest.Types
import           Prelude
import           Text.Printf                      (printf)

hex :: T.Text -> String
hex = concatMap (printf "%02x") . BS.unpack . T.encodeUtf8

tree :: LogicTree -> String
tree (Stmnt condition) = leaf condition
tree (Expr negated operator parts) =
  sign negated <> (case operator of { And -> "and"; Or -> "or" }) <> "(" <> intercalate "," (map tree parts) <> ")"

sign :: Bool -> String
sign negated = if negated then "!" else ""

leaf :: Filter -> String
leaf (Filter (column, path) (OpExpr negated operation)) =
  hex column <> concatMap step path <> ":" <> sign negated <> said operation
leaf (Filter (column, _) (NoOpExpr value)) = hex column <> ":none:" <> hex value

step :: JsonOperation -> String
step (JArrow operand)  = "->" <> hex (jVal operand)
step (J2Arrow operand) = "->>" <> hex (jVal operand)

said :: Operation -> String
said operation = case operation of
  Op operator value               -> show operator <> ":" <> hex value
  OpQuant operator modifier value -> show operator <> maybe "" show modifier <> ":" <> hex value
  In values                       -> "In:" <> intercalate "/" (map hex values)
  Is value                        -> show value
  IsDistinctFrom value            -> "IsDistinctFrom:" <> hex value
  Fts operator language value     -> show operator <> maybe "" hex language <> ":" <> hex value

selected :: Tree SelectItem -> [String]
selected (Node SelectField {} _) = []
selected (Node relation _)       = ["embedded:" <> hex (selRelation relation)]

ordered :: OrderTerm -> [String]
ordered OrderTerm {}                    = []
ordered (OrderRelationTerm name _ _ _)  = ["embedded:" <> hex name]

readQuery :: BS.ByteString -> String
readQuery query = case parse False query of
  Left _ -> "400"
  Right found -> unwords $
    [ intercalate "." (map hex path) <> "|" <> tree conditions | (path, conditions) <- qsLogic found ]
    <> [ intercalate "." (map hex path) <> "|" <> leaf condition | (path, condition) <- qsFilters found ]
    <> concatMap selected (qsSelect found)
    <> concatMap ordered (concatMap snd (qsOrder found))

main :: IO ()
main = do
  queries <- B8.lines <$> BS.getContents
  mapM_ answer queries
  where
    answer query = do
      found <- try (let text = readQuery query in evaluate (length text) >> pure text)
      putStrLn (either (\refused -> const "400" (refused :: SomeException)) id found)
